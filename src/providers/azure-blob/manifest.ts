/** What Azure Blob Storage can do at best; what one account really does stands in the traits of what was opened. */
import type { Manifest, SourceTraits, TargetTraits } from '../../contract/provider.ts';
import { ACCESS_TIERS } from './fields.ts';
import { METADATA_BYTES_MAX } from './metadata.ts';
import { nameRules } from './names.ts';
import type { Nature } from './place.ts';
import { TAGS_MAX } from './tags.ts';
import { WRITE_BYTES_MAX } from './write.ts';

const FLAT: Nature = { isHierarchical: false, canSeek: true };

export function sourceTraits(nature: Nature): SourceTraits {
  return {
    ...traits(nature),
    facets: nature.isHierarchical ? ['references', 'restore'] : ['tags', 'versions', 'references', 'restore'],
    staysBehind: [
      ...(nature.isHierarchical ? ['owners and access control lists'] : []),
      'immutability policies and legal holds',
      'snapshots',
      'encryption scopes and customer keys',
    ],
  };
}

export function targetTraits(nature: Nature, prefix: string): TargetTraits {
  return {
    ...traits(nature),
    facets: nature.isHierarchical
      ? ['parts', 'removal', 'properties', 'serverSideCopy']
      : ['parts', 'removal', 'properties', 'tags', 'serverSideCopy'],
    names: nameRules(prefix, nature.isHierarchical),
    writeBytesMax: WRITE_BYTES_MAX,
    provableDigests: ['crc64nvme', 'md5'],
    metadataBytesMax: METADATA_BYTES_MAX,
    tagsMax: nature.isHierarchical ? 0 : TAGS_MAX,
  };
}

function traits(nature: Nature) {
  return {
    // A hierarchical namespace lists folder by folder.
    order: nature.isHierarchical ? 'none' : 'bytes',
    seek: nature.canSeek ? 'key' : 'none',
    listedDigests: ['md5'],
    timePrecisionMs: 1000,
    keepsSourceTime: false,
    carries: {
      headers: true,
      metadata: true,
      tags: !nature.isHierarchical,
      emptyFolders: true,
      storageClasses: ACCESS_TIERS,
    },
  } as const;
}

export const manifest = {
  id: 'azure-blob',
  title: 'Azure Blob Storage',
  summary: 'Containers of an Azure storage account, flat or with a hierarchical namespace, as source and target.',
  containerWord: 'container',
  source: sourceTraits(FLAT),
  target: targetTraits(FLAT, ''),
} as const satisfies Manifest;
