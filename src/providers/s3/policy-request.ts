/** What would end up in a policy is looked at first: a text that somebody pastes must not say less than was meant. */
import type { PolicyRequest } from '../../contract/provider.ts';
import { DroverError } from '../../model/errors.ts';
import { s3Fields } from './fields.ts';

interface Rule {
  readonly field: string;
  readonly pattern: RegExp;
  readonly words: string;
}

const PRINCIPAL: Rule = {
  field: 'trustedPrincipal',
  pattern: /^(?:\d{12}|arn:[a-z0-9-]+:(?:iam|sts):[a-z0-9-]*:\d{12}:[!-~]+)$/,
  words: 'Name who signs as an ARN, such as arn:aws:iam::123456789012:user/drover, or as an account of 12 digits.',
};
const EXTERNAL_ID: Rule = {
  field: 'externalId',
  pattern: new RegExp(`^(?:${s3Fields.externalId.pattern})$`, 'u'),
  words: 'An external ID has 2 to 1,224 letters, digits and characters of +=,.@:/-_ without spaces.',
};
/** S3-compatible stores allow more than Amazon, but nothing that would be another pattern in a policy. */
const BUCKET: Rule = {
  field: 'bucket',
  pattern: /^(?:\*|[A-Za-z0-9][A-Za-z0-9._-]{0,254})$/,
  words: 'Name the bucket by letters, digits, dots, hyphens and underscores.',
};
const ADDRESS: Rule = {
  field: 'sourceAddresses',
  pattern: /^[0-9a-fA-F.:]+(?:\/\d{1,3})?$/,
  words: 'Give addresses as ranges, such as 203.0.113.0/24.',
};
const VPC_ENDPOINT: Rule = {
  field: 'vpcEndpoints',
  pattern: /^vpce-[0-9a-zA-Z]+$/,
  words: 'Name VPC endpoints by their ids, such as vpce-0123456789abcdef0.',
};

/** INVALID_INPUT with the field whose value has no place in a policy. */
export function checkPolicyRequest(request: PolicyRequest, settings: { readonly bucket: string | null }): void {
  const { containers, sourceAddresses, vpcEndpoints, trustedPrincipal, externalId } = request;
  refuse(PRINCIPAL, trustedPrincipal === null ? [] : [trustedPrincipal]);
  refuse(EXTERNAL_ID, externalId === null ? [] : [externalId]);
  refuse(BUCKET, settings.bucket === null ? containers : [...containers, settings.bucket]);
  refuse(ADDRESS, sourceAddresses);
  refuse(VPC_ENDPOINT, vpcEndpoints);
}

/** The value is not repeated: a secret may have been pasted into the wrong field. */
function refuse({ field, pattern, words }: Rule, values: readonly string[]): void {
  if (values.every((value) => pattern.test(value))) return;
  throw new DroverError('INVALID_INPUT', `What was given as ${field} cannot stand in a policy. ${words}`, { field });
}
