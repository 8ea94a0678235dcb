/** The two parts of undici that carry requests. Its index would load fetch, WebSocket and more: 15 MB and 0.2 s a start. */
declare module 'undici/lib/dispatcher/client.js' {
  import { Client } from 'undici';
  export default Client;
}
declare module 'undici/lib/core/connect.js' {
  import { buildConnector } from 'undici';
  export default buildConnector;
}
