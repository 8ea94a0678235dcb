/** Connectors `soak:` and `az:`, and a state folder of their own. */
import { join } from 'node:path';
import type { AzureAccess, S3Access } from '../../demo/stores.ts';

export function soakEnvironment(s3: S3Access, azure: AzureAccess, folder: string): Record<string, string> {
  return {
    XDG_STATE_HOME: join(folder, 'state'),
    DROVER_CONNECTOR_SOAK_PROVIDER: 's3',
    DROVER_CONNECTOR_SOAK_ENDPOINT: s3.endpoint,
    DROVER_CONNECTOR_SOAK_ACCESS_KEY_ID: s3.accessKeyId,
    DROVER_CONNECTOR_SOAK_SECRET_ACCESS_KEY: s3.secretAccessKey,
    DROVER_CONNECTOR_SOAK_REGION: 'us-east-1',
    DROVER_CONNECTOR_SOAK_PATH_STYLE: 'true',
    DROVER_CONNECTOR_AZ_PROVIDER: 'azure-blob',
    DROVER_CONNECTOR_AZ_ACCOUNT_NAME: azure.accountName,
    DROVER_CONNECTOR_AZ_ACCOUNT_KEY: azure.accountKey,
    DROVER_CONNECTOR_AZ_ENDPOINT: azure.endpoint,
  };
}
