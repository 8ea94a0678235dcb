/** What commands that delete runs, alone or with their job or project, have in common. */

export interface RemovalGiven {
  readonly yes?: boolean;
  readonly forgetUploads?: boolean;
}

export const FORGET_UPLOADS = [
  '--forget-uploads',
  'also while uploads of its runs may be open at the target: nobody ends them any more',
] as const;

/** As the query of the request says it. */
export function forgetting({ forgetUploads }: RemovalGiven): { forgetUploads?: 'true' } {
  return forgetUploads === true ? { forgetUploads: 'true' } : {};
}
