/** Which names a target can hold, as data; `engine/naming.ts` turns them into one deterministic mapping. */

export interface NameRules {
  /** Whole key. `null`: no limit. */
  readonly keyBytesMax: number | null;
  readonly keyCharactersMax: number | null;
  /** Between two `/`. */
  readonly segmentBytesMax: number | null;
  readonly segmentsMax: number | null;
  /** `a//b` and a leading `/` can be held. */
  readonly emptySegments: boolean;
  /** Segments `.` and `..` can be held. */
  readonly dotSegments: boolean;
  /** A segment may end with `.` / with a space. */
  readonly trailingDot: boolean;
  readonly trailingSpace: boolean;
  /** A key ending with `/` that has content can be held. */
  readonly trailingSlashContent: boolean;
  /** Characters that cannot be held anywhere, as code point ranges. */
  readonly forbidden: readonly { readonly from: number; readonly to: number }[];
  /** Bytes that are not UTF-8 can be held. */
  readonly invalidUtf8: boolean;
  /** An object `a` and an object `a/b` can both be there. */
  readonly objectAndPrefix: boolean;
  /** Names that differ only by case are different names. */
  readonly caseSensitive: boolean;
}

/** Every name can be held. */
export const ALL_NAMES: NameRules = {
  keyBytesMax: null,
  keyCharactersMax: null,
  segmentBytesMax: null,
  segmentsMax: null,
  emptySegments: true,
  dotSegments: true,
  trailingDot: true,
  trailingSpace: true,
  trailingSlashContent: true,
  forbidden: [],
  invalidUtf8: true,
  objectAndPrefix: true,
  caseSensitive: true,
};
