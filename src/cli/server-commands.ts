/** What the command line needs from the server's side. It is brought in only when one of its commands is called. */

export interface ServerCall {
  /** Settings given as flags, by the settings' names. */
  readonly flags: Readonly<Record<string, unknown>>;
  /** `--config`. */
  readonly configPath: string | null;
  /** To standard error, for people. */
  readonly say: (text: string) => Promise<void>;
  /** To standard output, one line, also without `--json`. */
  readonly line: (value: Readonly<Record<string, unknown>>) => Promise<void>;
  /** Fires when the process is asked to stop. */
  readonly signal: AbortSignal;
}

/** Each fails with DroverError. */
export interface ServerCommands {
  /** Until the signal fires and everything has stopped. `newArtifacts`: go on with an artifact store that lost its past. */
  serve(call: ServerCall, options: { readonly newArtifacts: boolean }): Promise<void>;
  /** `endsWithParent`: also ends, as on a signal, when its standard input does. */
  worker(call: ServerCall, options: { readonly endsWithParent: boolean }): Promise<void>;
  checkConfig(
    call: ServerCall,
  ): Promise<readonly { readonly name: string; readonly value: string; readonly source: string }[]>;
  databaseStatus(call: ServerCall): Promise<Readonly<Record<string, string | number>>>;
  backup(
    call: ServerCall,
    path: string,
  ): Promise<{ readonly tables: number; readonly rows: number; readonly sizeBytes: number }>;
  restore(
    call: ServerCall,
    path: string,
  ): Promise<{ readonly tables: number; readonly rows: number; readonly sessionsEnded: number }>;
  /** Writes the master key, or a new one, wrapped with the key that the settings name. Touches no database. */
  wrapMasterKey(
    call: ServerCall,
    options: { readonly out: string; readonly isNew: boolean },
  ): Promise<{ readonly keyId: string; readonly masterKeyId: string }>;
  /** `handOver`: processes that run with the old key learn the new one by themselves. */
  rotateVault(
    call: ServerCall,
    newKeyFile: string,
    handOver: boolean,
  ): Promise<{ readonly secrets: number; readonly masterKeyId: string }>;
  /** Makes the first admin, or sets a new password for an existing one after `confirmed`; returns a token. */
  setUp(
    call: ServerCall,
    person: { readonly email: string; readonly name: string; readonly password: string; readonly replace: boolean },
  ): Promise<{ readonly personId: string; readonly token: string }>;
  setupLink(call: ServerCall): Promise<string>;
}

/** A setting as an option of `serve` and `worker`. */
export interface SettingFlag {
  readonly name: string;
  readonly flag: string;
  readonly help: string;
}
