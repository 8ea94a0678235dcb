/** Names that Drover proposes for what lets it in, and by which it says later what may be removed again. */

/** Of the CloudFormation stack that is made of the printed template. */
export const STACK_NAME = 'drover-access';
/** Of the role in it, and of the stack set that makes the role in every account of an organization. */
export const ROLE_NAME = 'drover-transfer';
