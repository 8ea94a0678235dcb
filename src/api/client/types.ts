// Made from docs/reference/openapi.json (sha256 d7ecdb11a17cd687d4fe402ff769db16320db1c7d2649689a6c43853cc0e21fe) by tools/openapi-types; do not edit.
export interface paths {
  '/api/v1/sign-in': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * How one can sign in here
     * @description Needs no sign-in.
     */
    get: operations['getSignInOptions'];
    put?: never;
    /**
     * Sign in with a password
     * @description Sets the cookie of a session. Programs use tokens instead.
     *
     *     Needs no sign-in.
     */
    post: operations['signIn'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/setup': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    /**
     * Make the first administrator
     * @description Works once, with the token of the set-up link. 404 afterwards.
     *
     *     Needs no sign-in.
     */
    post: operations['setUp'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/sign-in/oidc': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * Sign in at the identity provider
     * @description Needs no sign-in.
     */
    get: operations['beginOidc'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/sign-in/oidc/callback': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * Where the identity provider sends the browser back to
     * @description Needs no sign-in.
     */
    get: operations['finishOidc'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/sign-out': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    /**
     * End the session
     * @description Needs the role viewer.
     */
    post: operations['signOut'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/me': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * Who is signed in, and what they may do
     * @description Needs the role viewer.
     */
    get: operations['getMe'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/me/password': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    /**
     * Change the own password
     * @description Ends all other sessions; the own tokens stay, unless they are to be ended too.
     *
     *     Needs the role viewer.
     */
    post: operations['changeOwnPassword'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/providers': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * Kinds of storage, and the fields of their connectors
     * @description Needs the role viewer.
     */
    get: operations['listProviders'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/connectors': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * Accounts that were authorized
     * @description Needs the role viewer.
     */
    get: operations['listConnectors'];
    put?: never;
    /**
     * Authorize a new connector
     * @description Checks the fields and signs in; a wrong credential is refused at its field, and nothing is saved.
     *
     *     Needs the role admin.
     */
    post: operations['authorizeConnector'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/connectors/{id}': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * One connector
     * @description Needs the role viewer.
     */
    get: operations['getConnector'];
    put?: never;
    post?: never;
    /**
     * Remove a connector that nothing uses
     * @description Needs the role admin.
     */
    delete: operations['removeConnector'];
    options?: never;
    head?: never;
    /**
     * Change name, tags, limits or the cloud account
     * @description Needs the role admin.
     */
    patch: operations['updateConnector'];
    trace?: never;
  };
  '/api/v1/connectors/{id}/reauthorize': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    /**
     * Give it new credentials
     * @description A secret that is left out stays. Runs that waited for it go on. Where the new fields would lead its endpoints to another store, GUARD_CONFIRM names them and their jobs.
     *
     *     Needs the role admin.
     */
    post: operations['reauthorizeConnector'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/connectors/{id}/users': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * What uses it
     * @description Needs the role viewer.
     */
    get: operations['getConnectorUse'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/connectors/{id}/check': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    /**
     * Test a connector, permission by permission
     * @description Needs the role operator.
     */
    post: operations['checkConnector'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/connectors/check': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    /**
     * Test values that were not saved yet
     * @description Needs the role admin.
     */
    post: operations['checkDraft'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/connectors/suggestion': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * What the form of a new connector begins with
     * @description Needs the role admin.
     */
    get: operations['suggestConnector'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/connectors/discover': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    /**
     * Subscriptions, and storage accounts within, that a sign-in sees
     * @description Needs the role admin.
     */
    post: operations['discoverAccounts'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/connectors/{id}/places': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * Buckets or containers, and folders within
     * @description Needs the role operator.
     */
    get: operations['browseConnector'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/connectors/{id}/containers': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    /**
     * Make a bucket, container or folder
     * @description Needs the role operator.
     */
    post: operations['makeContainer'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/connectors/{id}/policies': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    /**
     * Policies and templates for exactly this connector
     * @description Needs the role operator.
     */
    post: operations['getPolicies'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/connectors/policies': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    /**
     * The same for values that were not saved yet
     * @description Needs the role admin.
     */
    post: operations['getDraftPolicies'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/connectors/{id}/inventory': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * Buckets of a cloud account
     * @description Needs the role viewer.
     */
    get: operations['listInventory'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/connectors/{id}/accounts': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * Members of an organization, and what went wrong in each
     * @description Needs the role viewer.
     */
    get: operations['listInventoryAccounts'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/connectors/{id}/accounts/{accountId}': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    /**
     * Make a connector for one member of an organization, from the same sign-in
     * @description Needs the role admin.
     */
    post: operations['addAccountConnector'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/connectors/{id}/inventory/refresh': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    /**
     * Look at the cloud account now
     * @description Needs the role operator.
     */
    post: operations['refreshInventory'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/endpoints': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * Places that jobs read from or write to
     * @description Needs the role viewer.
     */
    get: operations['listEndpoints'];
    put?: never;
    /**
     * Make an endpoint
     * @description Needs the role operator.
     */
    post: operations['createEndpoint'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/endpoints/{id}': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * One endpoint
     * @description Needs the role viewer.
     */
    get: operations['getEndpoint'];
    put?: never;
    post?: never;
    /**
     * Remove an endpoint that no job uses
     * @description Needs the role operator.
     */
    delete: operations['removeEndpoint'];
    options?: never;
    head?: never;
    /**
     * Change the description; everything else is fixed
     * @description Needs the role operator.
     */
    patch: operations['updateEndpoint'];
    trace?: never;
  };
  '/api/v1/projects': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * All projects
     * @description Needs the role viewer.
     */
    get: operations['listProjects'];
    put?: never;
    /**
     * Make a project
     * @description Needs the role operator.
     */
    post: operations['createProject'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/projects/{id}': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * One project
     * @description Needs the role viewer.
     */
    get: operations['getProject'];
    put?: never;
    post?: never;
    /**
     * Delete a project with its jobs, their history and results; endpoints stay
     * @description Needs the role operator.
     */
    delete: operations['removeProject'];
    options?: never;
    head?: never;
    /**
     * Change the description; the name is fixed
     * @description Needs the role operator.
     */
    patch: operations['updateProject'];
    trace?: never;
  };
  '/api/v1/projects/{id}/removal': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * What deleting it would take along
     * @description Needs the role viewer.
     */
    get: operations['getProjectRemoval'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/jobs': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * Jobs of all projects
     * @description Needs the role viewer.
     */
    get: operations['listJobs'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/projects/{id}/jobs': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    /**
     * Make a job in a project
     * @description Needs the role operator.
     */
    post: operations['createJob'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/jobs/{id}': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * One job
     * @description Needs the role viewer.
     */
    get: operations['getJob'];
    put?: never;
    post?: never;
    /**
     * Delete a job with its history, its schedules and results
     * @description Needs the role operator.
     */
    delete: operations['removeJob'];
    options?: never;
    head?: never;
    /**
     * Change name, description, settings or tuning
     * @description Settings hold for the next run.
     *
     *     Needs the role operator.
     */
    patch: operations['updateJob'];
    trace?: never;
  };
  '/api/v1/jobs/{id}/removal': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * What deleting it would take along
     * @description Needs the role viewer.
     */
    get: operations['getJobRemoval'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/jobs/{id}/duplicate': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    /**
     * Make another job like it
     * @description Needs the role operator.
     */
    post: operations['duplicateJob'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/jobs/outcomes': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    /**
     * What will not survive between two endpoints
     * @description Needs the role viewer.
     */
    post: operations['getOutcomes'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/jobs/{id}/preflight': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    /**
     * Check the permissions on both sides, estimate, warn
     * @description Needs the role operator.
     */
    post: operations['checkJob'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/jobs/{id}/grants': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    /**
     * Assign the missing role where Drover may, and wait until it works
     * @description Needs the role admin.
     */
    post: operations['grantRole'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/jobs/{id}/what-can-go': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * What of the source is not needed any more
     * @description Only after a clean validation.
     *
     *     Needs the role viewer.
     */
    get: operations['getWhatCanGo'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/overview': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * What needs attention, what is going on, what comes next
     * @description Needs the role viewer.
     */
    get: operations['getOverview'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/overview/dismissals': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * What was taken off the overview, and by whom; the newest first
     * @description Needs the role viewer.
     */
    get: operations['listDismissals'];
    put?: never;
    /**
     * Take an entry off the overview; it comes back when something new happens
     * @description Once more changes nothing.
     *
     *     Needs the role operator.
     */
    post: operations['dismiss'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/overview/dismissals/{id}': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * One of them
     * @description Needs the role viewer.
     */
    get: operations['getDismissal'];
    put?: never;
    post?: never;
    /**
     * List it again, if it still needs somebody
     * @description Needs the role operator.
     */
    delete: operations['removeDismissal'];
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/runs': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * Runs of all jobs, newest first
     * @description Needs the role viewer.
     */
    get: operations['listRuns'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/jobs/{id}/runs': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    /**
     * Start a run of a job
     * @description Checks the permissions on both sides first. It may wait in the queue.
     *
     *     Needs the role operator.
     */
    post: operations['startRun'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/jobs/actions/start': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    /**
     * Start a run of each of many jobs
     * @description One line for each job as soon as it is known how it went; a connection that breaks begins no more. Sent again with its Idempotency-Key, it is about the same jobs and starts only those that it has not started.
     *
     *     Needs the role operator.
     */
    post: operations['startRuns'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/runs/{id}': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * One run
     * @description Needs the role viewer.
     */
    get: operations['getRun'];
    put?: never;
    post?: never;
    /**
     * Delete a run that has ended, with its logs and files
     * @description Needs the role operator.
     */
    delete: operations['removeRun'];
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/runs/{id}/pause': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    /**
     * Pause it; what it has begun it ends
     * @description Needs the role operator.
     */
    post: operations['pauseRun'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/runs/{id}/resume': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    /**
     * Let it go on
     * @description Needs the role operator.
     */
    post: operations['resumeRun'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/runs/{id}/cancel': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    /**
     * Cancel it for good
     * @description Needs the role operator.
     */
    post: operations['cancelRun'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/runs/actions': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    /**
     * Pause, resume or cancel many runs
     * @description Needs the role operator.
     */
    post: operations['changeRuns'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/runs/{id}/snapshot': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * What it was started with
     * @description Needs the role viewer.
     */
    get: operations['getRunSnapshot'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/runs/{id}/segments': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * Its ranges of keys, and who works on them
     * @description Needs the role viewer.
     */
    get: operations['listSegments'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/runs/{id}/workers': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * Who works on it or did, and what leases have cost them
     * @description Needs the role viewer.
     */
    get: operations['listRunWorkers'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/runs/{id}/map': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * The space of keys in equal shares
     * @description Needs the role viewer.
     */
    get: operations['getRunMap'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/runs/{id}/items': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * Failed and unsupported items
     * @description The first 100,000; the copy log to download has all.
     *
     *     Needs the role viewer.
     */
    get: operations['listRunItems'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/runs/{id}/codes': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * Failures of a run by code
     * @description Needs the role viewer.
     */
    get: operations['getRunCodes'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/codes': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * Failures of all runs by code
     * @description Needs the role viewer.
     */
    get: operations['getCodes'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/runs/{id}/log': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * What happened in a run
     * @description Needs the role viewer.
     */
    get: operations['listRunLog'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/runs/{id}/log/content': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * The log of a run as a file
     * @description Needs the role viewer.
     */
    get: operations['downloadRunLog'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/report-key': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * The public key that reports are signed with
     * @description Needs the role viewer.
     */
    get: operations['getReportKey'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/artifacts': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * Files made from runs, newest first
     * @description Needs the role viewer.
     */
    get: operations['listAllArtifacts'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/runs/{id}/artifacts': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * Files made from a run
     * @description Needs the role viewer.
     */
    get: operations['listArtifacts'];
    put?: never;
    /**
     * Have a copy log or a report made
     * @description Needs the role operator.
     */
    post: operations['requestArtifact'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/artifacts/{id}': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * How far a file is
     * @description Needs the role viewer.
     */
    get: operations['getArtifact'];
    put?: never;
    post?: never;
    /**
     * Delete a file
     * @description Refused while it is being made. What it was made from stays, so that it can be asked for anew.
     *
     *     Needs the role operator.
     */
    delete: operations['removeArtifact'];
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/artifacts/{id}/retry': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    /**
     * Make a file again that failed
     * @description Needs the role operator.
     */
    post: operations['retryArtifact'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/artifacts/{id}/content': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * Download a file
     * @description Needs the role viewer.
     */
    get: operations['downloadArtifact'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/schedules': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * Schedules of all jobs
     * @description Needs the role viewer.
     */
    get: operations['listSchedules'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/jobs/{id}/schedules': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    /**
     * Make a schedule for a job
     * @description It is made disabled.
     *
     *     Needs the role operator.
     */
    post: operations['createSchedule'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/schedules/preview': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    /**
     * When it would run, without saving anything
     * @description Needs the role viewer.
     */
    post: operations['previewSchedule'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/schedules/{id}': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * One schedule
     * @description Needs the role viewer.
     */
    get: operations['getSchedule'];
    put?: never;
    post?: never;
    /**
     * Remove a schedule
     * @description Needs the role operator.
     */
    delete: operations['removeSchedule'];
    options?: never;
    head?: never;
    /**
     * Change a schedule
     * @description Needs the role operator.
     */
    patch: operations['updateSchedule'];
    trace?: never;
  };
  '/api/v1/schedules/actions': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    /**
     * Enable or disable many schedules
     * @description One line for each as soon as it is known how it went; enabling checks the permissions of each job.
     *
     *     Needs the role operator.
     */
    post: operations['switchSchedules'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/schedules/{id}/enable': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    /**
     * Let it start runs; the permissions are checked first
     * @description Needs the role operator.
     */
    post: operations['enableSchedule'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/schedules/{id}/disable': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    /**
     * Let it start no more runs
     * @description Needs the role operator.
     */
    post: operations['disableSchedule'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/schedules/{id}/events': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * What it started, and what it did not and why
     * @description Needs the role viewer.
     */
    get: operations['listScheduleEvents'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/timetables': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * Saved bandwidth timetables
     * @description Needs the role viewer.
     */
    get: operations['listTimetables'];
    put?: never;
    /**
     * Save a timetable
     * @description Needs the role operator.
     */
    post: operations['createTimetable'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/timetables/{id}': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * One timetable
     * @description Needs the role viewer.
     */
    get: operations['getTimetable'];
    put?: never;
    post?: never;
    /**
     * Remove a timetable that no job uses
     * @description Needs the role operator.
     */
    delete: operations['removeTimetable'];
    options?: never;
    head?: never;
    /**
     * Change a timetable
     * @description Needs the role operator.
     */
    patch: operations['updateTimetable'];
    trace?: never;
  };
  '/api/v1/subscriptions': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * Who is told what
     * @description Needs the role viewer.
     */
    get: operations['listSubscriptions'];
    put?: never;
    /**
     * Have somebody told
     * @description The key that messages to a webhook are signed with is in this answer and nowhere else.
     *
     *     Needs the role operator.
     */
    post: operations['createSubscription'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/subscriptions/{id}': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * One subscription
     * @description Needs the role viewer.
     */
    get: operations['getSubscription'];
    put?: never;
    post?: never;
    /**
     * Tell them no more
     * @description Needs the role operator.
     */
    delete: operations['removeSubscription'];
    options?: never;
    head?: never;
    /**
     * Change a subscription
     * @description Needs the role operator.
     */
    patch: operations['updateSubscription'];
    trace?: never;
  };
  '/api/v1/subscriptions/{id}/test': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    /**
     * Send one message now
     * @description Needs the role operator.
     */
    post: operations['testSubscription'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/subscriptions/{id}/deliveries': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * What was sent
     * @description Needs the role viewer.
     */
    get: operations['listDeliveries'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/subscriptions/{id}/retry': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    /**
     * Send again what was given up
     * @description Each message that failed gets all its attempts once more.
     *
     *     Needs the role operator.
     */
    post: operations['retryDeliveries'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/definitions/export': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    /**
     * Everything that is defined, as one document without secrets
     * @description Needs the role viewer.
     */
    post: operations['exportDefinitions'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/definitions/plan': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    /**
     * What applying a document would do
     * @description Needs the role operator.
     */
    post: operations['planDefinitions'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/definitions/apply': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    /**
     * Do what the plan said, step by step: what was done before a fault stays, and applying again goes on
     * @description Needs the role admin.
     */
    post: operations['applyDefinitions'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/samples': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * The sample data, where there is some
     * @description Needs the role viewer.
     */
    get: operations['getSamples'];
    put?: never;
    /**
     * Make sample data: a folder of the server with some hundred files, and a job that copies them
     * @description For trying Drover without an account. DELETE takes all of it away again.
     *
     *     Needs the role admin.
     */
    post: operations['createSamples'];
    /**
     * Take the sample data away, with its folder, project, job and runs
     * @description Needs the role admin.
     */
    delete: operations['removeSamples'];
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/people': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * Who can sign in
     * @description Needs the role admin.
     */
    get: operations['listPeople'];
    put?: never;
    /**
     * Add a person
     * @description Needs the role admin.
     */
    post: operations['createPerson'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/people/{id}': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * One person
     * @description Needs the role admin.
     */
    get: operations['getPerson'];
    put?: never;
    post?: never;
    /**
     * Remove a person with their sessions and tokens
     * @description Needs the role admin.
     */
    delete: operations['removePerson'];
    options?: never;
    head?: never;
    /**
     * Change name, role, state or password
     * @description The last active admin can neither be disabled nor lowered.
     *
     *     Needs the role admin.
     */
    patch: operations['updatePerson'];
    trace?: never;
  };
  '/api/v1/tokens': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * Own tokens; an admin sees those of all
     * @description Needs the role viewer.
     */
    get: operations['listTokens'];
    put?: never;
    /**
     * Make a token
     * @description Its secret is in this answer and nowhere else.
     *
     *     Needs the role viewer.
     */
    post: operations['createToken'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/tokens/{id}': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * One token, without its secret
     * @description Needs the role viewer.
     */
    get: operations['getToken'];
    put?: never;
    post?: never;
    /**
     * End a token
     * @description Needs the role viewer.
     */
    delete: operations['removeToken'];
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/audit': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * Who did what to what
     * @description Needs the role admin.
     */
    get: operations['listAudit'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/audit/content': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * The audit log as a file
     * @description Needs the role admin.
     */
    get: operations['downloadAudit'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/workers': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * The processes that work on runs
     * @description Needs the role viewer.
     */
    get: operations['listWorkers'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/workers/{id}/drain': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    /**
     * Let a worker end what it has begun, and no more
     * @description Needs the role admin.
     */
    post: operations['drainWorker'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/api/v1/events': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * Server-sent events: what changes, as it changes
     * @description One stream for all topics. Events: `changed` (the entity as it is now, with `sequence` and `asOf`), `removed`, `log` (the next lines of a run log may be read), `map` (the map of a run, first whole, then the cells that changed since `base`), `reset` (too much was missed: read everything again). Reconnect with `Last-Event-ID`. A run changes at most four times a second.
     *
     *     Needs the role viewer.
     */
    get: operations['followEvents'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
}
export type webhooks = Record<string, never>;
export interface components {
  schemas: {
    /** @description A document, and the plan that was shown. */
    ApplyDefinitions: {
      /** @description Any JSON. */
      document: unknown;
      planHash: string;
    };
    /** @description A file made from a run. */
    Artifact: {
      /** @description Stays the same for ever. */
      id: string;
      /** @description Stays the same for ever. */
      runId: string;
      /** @enum {string} */
      kind: 'copy-log-csv' | 'copy-log-ndjson' | 'report-html' | 'report-json' | 'manifest';
      fileName: string;
      /** @enum {string} */
      state: 'pending' | 'ready' | 'failed' | 'expired';
      /** @description Of copy logs and manifests known after their first whole download, once the run has ended well. */
      sizeBytes: number | null;
      /** @description The same. */
      sha256: string | null;
      /** @description Why it failed; of a pending one, why its last try did. */
      error: components['schemas']['Failure'] | null;
      /** @description How often it was begun; after five it has failed. */
      attempts: number;
      /** @description ISO 8601 in UTC, such as 2026-03-01T08:00:00.000Z. */
      createdAt: string;
      createdBy: string;
      expiresAt: string | null;
    };
    /** @description A file to make in the background. */
    ArtifactInput: {
      /** @enum {string} */
      kind: 'copy-log-csv' | 'copy-log-ndjson' | 'report-html' | 'report-json' | 'manifest';
      /** @description Random objects that are read back. */
      spotCheck?: number;
      /** @description Only these results. */
      results?: string[];
    };
    /** @description One page of a list. */
    ArtifactPage: {
      readonly items: components['schemas']['Artifact'][];
      /** @description Give it back as `cursor`; null at the end. */
      nextCursor: string | null;
      /** @description Exact up to 1,000,000; null where it was not asked for. */
      total: number | null;
      /** @description Of the first entry among all, from 0; only where the page was asked for by `at`. */
      position?: number | null;
    };
    /** @description Newest first. */
    Artifacts: components['schemas']['Artifact'][];
    /** @description Something that somebody has to do something about. */
    Attention: {
      /** @description Names it as it is now, to dismiss it: another one when something new has happened. */
      mark: string;
      /** @enum {string} */
      kind: 'connector' | 'run' | 'schedule' | 'subscription' | 'worker' | 'artifact';
      /** @description null: no worker is there at all. */
      id: string | null;
      name: string;
      /** @description What happened, and why. */
      text: string;
      /** @description What to do. */
      remedy: string;
      /** @description Its path, below the address of the server as below /api/v1. */
      link: string;
      /** @description ISO 8601 in UTC, such as 2026-03-01T08:00:00.000Z. */
      at: string;
      /** @description So many runs wait for it. */
      runs: number;
    };
    /** @description Who did what to what. */
    AuditLine: {
      number: number;
      /** @description ISO 8601 in UTC, such as 2026-03-01T08:00:00.000Z. */
      at: string;
      /** @enum {string} */
      actorKind: 'person' | 'token' | 'system';
      actorName: string;
      personId: string | null;
      address: string | null;
      action: string;
      entityKind: string;
      entityId: string | null;
      entityName: string | null;
      /** @description Changed fields with the value before and after, never a secret. */
      changes: unknown;
    };
    /** @description One page of a list. */
    AuditLinePage: {
      readonly items: components['schemas']['AuditLine'][];
      /** @description Give it back as `cursor`; null at the end. */
      nextCursor: string | null;
      /** @description Exact up to 1,000,000; null where it was not asked for. */
      total: number | null;
      /** @description Of the first entry among all, from 0; only where the page was asked for by `at`. */
      position?: number | null;
    };
    /** @description Weekly; the last rule that began holds. */
    BandwidthTimetable: {
      /** @description Such as Europe/Berlin. */
      timeZone: string;
      rules: {
        /** @description 0: Sunday; null: every day. */
        day: number | null;
        minuteOfDay: number;
        /** @description null: unlimited; 0: pause. */
        bytesPerSecond: number | null;
      }[];
    };
    /** @description Some of what is at a place; more lines follow. */
    BrowsePage: {
      items: {
        name: string;
        /** @enum {string} */
        kind: 'container' | 'folder' | 'object';
        entry: components['schemas']['Entry'] | null;
        region?: string;
      }[];
    };
    /** @description What changes; everything else stays. */
    ChangeConnector: {
      /** @description For people; unique among its kind. */
      name?: string;
      tags?: components['schemas']['Tags'];
      limits?: components['schemas']['ConnectorLimits'];
      cloud?: components['schemas']['CloudAccountInput'] | null;
    };
    /** @description Nothing else may change. */
    ChangeDescription: {
      description: string;
    };
    /** @description What changes; everything else stays. Endpoints and sub-paths are fixed. */
    ChangeJob: {
      /** @description For people; unique among its kind. */
      name?: string;
      description?: string;
      settings?: components['schemas']['JobSettingsChange'];
      tuning?: components['schemas']['JobTuningChange'];
    };
    /** @description The own password. */
    ChangePassword: {
      current: string;
      /** @description At least 12 characters, not the e-mail address. */
      next: string;
      /** @description End the own tokens too; false unless given. */
      endTokens?: boolean;
    };
    /** @description What changes; everything else stays. */
    ChangePerson: {
      name?: string;
      role?: components['schemas']['Role'];
      /**
       * @description A disabled person is signed out everywhere.
       * @enum {string}
       */
      state?: 'active' | 'disabled';
      /** @description A new one, without knowing the old one. Ends all sessions. */
      password?: string;
      /** @description End this person's tokens too. true unless given, where a password is given or the person is disabled. */
      endTokens?: boolean;
    };
    /** @description What changes; everything else stays. */
    ChangeSchedule: {
      rule?: components['schemas']['ScheduleRule'];
      /** @description Such as Europe/Berlin. */
      timeZone?: string;
      startsAt?: string | null;
      endsAt?: string | null;
      /** @enum {string} */
      runKind?: 'transfer' | 'dry-run' | 'validate';
    };
    /** @description What changes; everything else stays. */
    ChangeSubscription: {
      /** @description For people; unique among its kind. */
      name?: string;
      /** @enum {string} */
      kind?: 'webhook' | 'email';
      /** @description An address that starts with https://, or an e-mail address. */
      destination?: string;
      events?: components['schemas']['NotificationEvent'][];
      /**
       * @description daily: one message a day.
       * @enum {string}
       */
      digest?: 'none' | 'daily';
      enabled?: boolean;
      /** @description null: all projects. */
      projectId?: string | null;
    };
    /** @description What changes; everything else stays. */
    ChangeTimetable: {
      /** @description For people; unique among its kind. */
      name?: string;
      timetable?: components['schemas']['BandwidthTimetable'];
    };
    /** @description How many were changed. */
    ChangedCount: {
      changed: number;
    };
    /** @description What to check. */
    CheckConnector: {
      place?: components['schemas']['Place'] | null;
      /**
       * @description What it is to be used for.
       * @enum {string}
       */
      use?: 'read' | 'write' | 'both';
    };
    /** @description Values that were not saved yet. */
    CheckDraft: {
      /** @description Whose secrets to use where none is given. */
      connectorId?: string | null;
      connector: components['schemas']['ConnectorInput'];
      place?: components['schemas']['Place'] | null;
      /**
       * @description What it is to be used for.
       * @enum {string}
       */
      use?: 'read' | 'write' | 'both';
    };
    /** @description One line of a check, given out as soon as it is known. */
    CheckLine: {
      /** @enum {string} */
      what: 'identity' | 'list' | 'read' | 'write' | 'delete' | 'tags' | 'container' | 'network' | 'fact';
      /** @enum {string} */
      result: 'ok' | 'refused' | 'unknown' | 'warning';
      /** @description One sentence. */
      message: string;
      /** @description The field to correct, where one is at fault. */
      field: string | null;
      remedy: string | null;
      /** @description Who was seen, where the line tells it. */
      identity?: {
        /** @enum {string} */
        role: 'signs' | 'acts';
        /** @description An ARN, a user, an application. */
        name: string;
        accountId: string | null;
      };
    };
    /** @description A cloud account (or organization) with an inventory. */
    CloudAccount: {
      /** @enum {string} */
      accountType: 'single' | 'organization';
      accountId: string;
      solutions: ('inventory' | 'storage-data-management')[];
      services: 's3'[];
      /** @enum {string} */
      permission: 'read' | 'read-restore' | 'read-write';
      /** @description null: all regions. */
      regions: string[] | null;
      /** @description null: looked at once. */
      syncEveryMinutes: number | null;
      lastSyncAt: string | null;
      nextSyncAt: string | null;
      lastSyncError: components['schemas']['Failure'] | null;
    };
    /** @description What may be chosen about a cloud account. */
    CloudAccountInput: {
      /** @enum {string} */
      accountType: 'single' | 'organization';
      accountId: string;
      solutions: ('inventory' | 'storage-data-management')[];
      services: 's3'[];
      /** @enum {string} */
      permission: 'read' | 'read-restore' | 'read-write';
      /** @description null: all regions. */
      regions: string[] | null;
      /** @description null: looked at once. */
      syncEveryMinutes: number | null;
    };
    /** @description Failures by code, most first. */
    CodeCounts: {
      /** @description When they were counted. */
      asOf: string;
      codes: {
        code: string;
        result: string;
        items: number;
        /** @description What to do about it. */
        remedy: string;
      }[];
    };
    /** @description Something that will not survive between these two. */
    Concession: {
      /** @enum {string} */
      aspect:
        | 'metadata'
        | 'headers'
        | 'tags'
        | 'times'
        | 'names'
        | 'folders'
        | 'links'
        | 'classes'
        | 'races'
        | 'digests'
        | 'versions'
        | 'protection'
        | 'overwrites'
        | 'deletions'
        | 'renames'
        | 'archived'
        | 'sizes';
      detail: string;
    };
    /** @description All of them. */
    Concessions: components['schemas']['Concession'][];
    /** @description An account that was authorized, with its secrets kept apart. */
    Connector: {
      /** @description Stays the same for ever. */
      id: string;
      /** @description Rises with every change; the ETag is made of it. */
      version: number;
      /** @description ISO 8601 in UTC, such as 2026-03-01T08:00:00.000Z. */
      createdAt: string;
      /** @description Name of whoever made it. */
      createdBy: string;
      /** @description ISO 8601 in UTC, such as 2026-03-01T08:00:00.000Z. */
      updatedAt: string;
      name: string;
      /** @description `s3`, `azure-blob`, `local`, … */
      provider: string;
      providerTitle: string;
      /** @description Its fields without the secrets. */
      config: {
        [key: string]: string | boolean | number;
      };
      /** @description Secret field and fingerprint of its value. */
      secrets: {
        [key: string]: string;
      };
      signedInAs: string | null;
      health: components['schemas']['Health'];
      healthReason: components['schemas']['Failure'] | null;
      checkedAt: string | null;
      /** @description The last check. */
      check: components['schemas']['CheckLine'][];
      /** @description Where it looked; null: at the account as a whole. */
      checkedPlace: components['schemas']['Place'] | null;
      tags: components['schemas']['Tags'];
      limits: components['schemas']['ConnectorLimits'];
      cloud: components['schemas']['CloudAccount'] | null;
      usedBy: {
        endpoints: number;
        jobs: number;
      };
      lastUsedAt: string | null;
    };
    /** @description A connector to authorize. */
    ConnectorInput: {
      provider: string;
      /** @description The name of the provider, made unique, unless given. */
      name?: string;
      /** @description Values of the fields that the provider describes, secrets among them. */
      config: {
        [key: string]: unknown;
      };
      tags?: components['schemas']['Tags'];
      limits?: components['schemas']['ConnectorLimits'];
      cloud?: components['schemas']['CloudAccountInput'] | null;
    };
    /** @description Shared by all workers together; null: chosen by Drover. */
    ConnectorLimits: {
      requestsPerSecond: number | null;
      /** @description Objects in flight. */
      transfersMax: number | null;
    };
    /** @description One page of a list. */
    ConnectorPage: {
      readonly items: components['schemas']['Connector'][];
      /** @description Give it back as `cursor`; null at the end. */
      nextCursor: string | null;
      /** @description Exact up to 1,000,000; null where it was not asked for. */
      total: number | null;
      /** @description Of the first entry among all, from 0; only where the page was asked for by `at`. */
      position?: number | null;
    };
    /** @description What the form of a new connector begins with. */
    ConnectorSuggestion: {
      /** @description The name it gets when none is given. */
      name: string;
      /** @description Values that Drover makes, such as an external ID. */
      config: {
        [key: string]: string | boolean | number;
      };
    };
    /** @description What uses a connector. */
    ConnectorUse: {
      endpoints: components['schemas']['Endpoint'][];
      jobs: {
        /** @description Stays the same for ever. */
        id: string;
        name: string;
        projectName: string;
      }[];
    };
    /** @description What a run has seen and done so far. */
    Counters: {
      items: components['schemas']['ItemCounts'];
      /** @description Bytes of each of those items. */
      bytes: components['schemas']['ItemCounts'];
      /** @description Adds up to `items.copied`. */
      verification: {
        V3: number;
        V2: number;
        V1: number;
        V0: number;
        VM: number;
      };
      /** @description `same`, judged by size, or size and time, alone: not proved. */
      sameWeak: number;
      differences: {
        missing: number;
        extra: number;
        different: number;
        /** @description Of `extra`: what a mirror leaves, because it lies below a name of the source that was not read. */
        kept?: number;
      };
      /** @description Bytes of those: at the target of `extra` and `kept`, at the source of the others. */
      differenceBytes: {
        missing: number;
        extra: number;
        different: number;
        /** @description Of `extra`: what a mirror leaves, because it lies below a name of the source that was not read. */
        kept?: number;
      };
      targetScanned: number;
      /** @description Copied under another name than the source's. */
      mapped: number;
      /** @description What a mirror could not delete; not among `items.failed`. */
      deletesFailed: number;
    };
    /** @description A new endpoint. */
    CreateEndpoint: {
      /** @description Made from the place unless given. */
      name?: string;
      /** @enum {string} */
      kind: 'source' | 'target';
      /** @description Stays the same for ever. */
      connectorId: string;
      place: components['schemas']['Place'];
      description?: string;
    };
    /** @description A new person. */
    CreatePerson: {
      /** @description An e-mail address; compared without case. */
      email: string;
      /** @description As it is shown. */
      name: string;
      role: components['schemas']['Role'];
      /** @description null: signs in by OIDC. */
      password: string | null;
    };
    /** @description A new project; its name stays. */
    CreateProject: {
      /** @description For people; unique among its kind. */
      name: string;
      description?: string;
    };
    /** @description A new timetable. */
    CreateTimetable: {
      /** @description For people; unique among its kind. */
      name: string;
      timetable: components['schemas']['BandwidthTimetable'];
    };
    /** @description A new token. */
    CreateToken: {
      /** @description For people; unique among its kind. */
      name: string;
      role: components['schemas']['Role'];
      /** @description All that it may, as far as its role may it; left out: all of that. */
      scopes?:
        | (
            | 'read'
            | 'metrics'
            | 'own-account'
            | 'define'
            | 'run'
            | 'dismiss'
            | 'report'
            | 'connector-test'
            | 'connector-use'
            | 'connector-change'
            | 'people'
            | 'audit'
            | 'fleet'
            | 'definitions-apply'
          )[]
        | null;
      /** @description null: never. */
      expiresAt: string | null;
    };
    /** @description Connectors without secrets, endpoints, projects, jobs, schedules and timetables. */
    DefinitionDocument: {
      [key: string]: unknown;
    };
    /** @description What applying a document does. */
    DefinitionPlan: {
      steps: {
        /** @enum {string} */
        action: 'create' | 'update' | 'keep';
        kind: string;
        name: string;
        changes: {
          field: string;
          /** @description Any JSON. */
          before: unknown;
          /** @description Any JSON. */
          after: unknown;
        }[];
        /** @description Of what is created: as the document says, without what a connector signs in with. */
        made: unknown;
      }[];
      problems: {
        path: string;
        message: string;
      }[];
      /** @description Give it back with `apply`. */
      hash: string;
    };
    /** @description One message. */
    Delivery: {
      /** @description Of the event, for whoever is told of it and however often: drop doubles by it. */
      eventId: string;
      /** @description ISO 8601 in UTC, such as 2026-03-01T08:00:00.000Z. */
      at: string;
      event: components['schemas']['NotificationEvent'] | ('test' | 'digest');
      /** @enum {string} */
      state: 'pending' | 'delivered' | 'failed';
      attempts: number;
      error: string | null;
    };
    /** @description One page of a list. */
    DeliveryPage: {
      readonly items: components['schemas']['NumberedDelivery'][];
      /** @description Give it back as `cursor`; null at the end. */
      nextCursor: string | null;
      /** @description Exact up to 1,000,000; null where it was not asked for. */
      total: number | null;
      /** @description Of the first entry among all, from 0; only where the page was asked for by `at`. */
      position?: number | null;
    };
    /** @description A sign-in that was not saved yet, and where to look. */
    DiscoverDraft: {
      /** @description Whose secrets to use where none is given. */
      connectorId?: string | null;
      connector: components['schemas']['ConnectorInput'];
      /** @description A subscription; left out: all subscriptions. */
      parent?: string | null;
    };
    /** @description Some of what the sign-in sees; more lines follow. */
    DiscoveredPage: {
      items: {
        /** @enum {string} */
        kind: 'subscription' | 'account';
        /** @description The parent of what is in it. */
        id: string;
        name: string;
        region: string | null;
        /** @description Fields of the connector that choosing it fills in. */
        fills: {
          [key: string]: string | boolean | number;
        };
      }[];
    };
    /** @description What somebody has looked at. */
    Dismiss: {
      /** @description Of the entry, as the overview gives it. */
      mark: string;
      /** @description Why it may be left as it is. */
      note?: string;
    };
    /** @description Something that somebody has looked at: it stays away from the overview until something new happens. */
    Dismissal: {
      /** @description Stays the same for ever. */
      id: string;
      /** @description Of the entry, as it was then. */
      mark: string;
      /** @enum {string} */
      kind: 'connector' | 'run' | 'schedule' | 'subscription' | 'worker' | 'artifact';
      entityId: string | null;
      name: string;
      /** @description What was said of it. */
      text: string;
      /** @description Why it may be left as it is. */
      note: string;
      /** @description ISO 8601 in UTC, such as 2026-03-01T08:00:00.000Z. */
      createdAt: string;
      createdBy: string;
    };
    /** @description One page of a list. */
    DismissalPage: {
      readonly items: components['schemas']['Dismissal'][];
      /** @description Give it back as `cursor`; null at the end. */
      nextCursor: string | null;
      /** @description Exact up to 1,000,000; null where it was not asked for. */
      total: number | null;
      /** @description Of the first entry among all, from 0; only where the page was asked for by `at`. */
      position?: number | null;
    };
    /** @description The same for values that were not saved yet. */
    DraftPolicies: {
      connector: components['schemas']['ConnectorInput'];
      request: components['schemas']['PolicyRequest'];
    };
    /** @description What is other in the copy. With another endpoint and no sub-path it is the whole of that endpoint. */
    DuplicateJob: {
      /** @description For people; unique among its kind. */
      name: string;
      /** @description Stays the same for ever. */
      projectId?: string;
      description?: string;
      /** @description Stays the same for ever. */
      sourceEndpointId?: string;
      /** @description Empty, or ends with a slash. */
      sourceSubPath?: string;
      /** @description Stays the same for ever. */
      targetEndpointId?: string;
      /** @description Empty, or ends with a slash. */
      targetSubPath?: string;
      settings?: components['schemas']['JobSettingsChange'];
      tuning?: components['schemas']['JobTuningChange'];
    };
    /** @description A place that jobs read from or write to. */
    Endpoint: {
      /** @description Stays the same for ever. */
      id: string;
      /** @description Rises with every change; the ETag is made of it. */
      version: number;
      /** @description ISO 8601 in UTC, such as 2026-03-01T08:00:00.000Z. */
      createdAt: string;
      /** @description Name of whoever made it. */
      createdBy: string;
      /** @description ISO 8601 in UTC, such as 2026-03-01T08:00:00.000Z. */
      updatedAt: string;
      name: string;
      /** @enum {string} */
      kind: 'source' | 'target';
      /** @description Stays the same for ever. */
      connectorId: string;
      connectorName: string;
      provider: string;
      place: components['schemas']['Place'];
      /** @description The whole address, such as s3://bucket/prefix/. */
      fullPath: string;
      /** @description Which store it is in, where there are several of this kind: host and port, or aws. Null for folders. */
      store: string | null;
      description: string;
      /** @description Targets only. */
      facts: components['schemas']['TargetFacts'] | null;
      usedBy: {
        jobs: number;
      };
      /** @description Only of one that was just made. */
      warnings?: string[];
    };
    /** @description One page of a list. */
    EndpointPage: {
      readonly items: components['schemas']['Endpoint'][];
      /** @description Give it back as `cursor`; null at the end. */
      nextCursor: string | null;
      /** @description Exact up to 1,000,000; null where it was not asked for. */
      total: number | null;
      /** @description Of the first entry among all, from 0; only where the page was asked for by `at`. */
      position?: number | null;
    };
    /** @description What stands at a key. */
    Entry: {
      /** @enum {string} */
      kind: 'object' | 'folder' | 'opaque';
      key: string;
      sizeBytes: number;
      modifiedAtMs: number | null;
      identity: {
        etag: string | null;
        versionId: string | null;
      };
      digests: {
        [key: string]: string;
      };
      composite: {
        /** @enum {string} */
        kind:
          | 'sha512'
          | 'sha256'
          | 'sha1'
          | 'md5'
          | 'crc64nvme'
          | 'crc32c'
          | 'crc32'
          | 'xxhash128'
          | 'xxhash3'
          | 'xxhash64';
        value: string;
        partCount: number;
      } | null;
      storageClass: string | null;
      /** @enum {string} */
      availability: 'online' | 'archived' | 'restoring';
      recorded: {
        etag: string | null;
        versionId: string | null;
        sizeBytes: number;
        modifiedAtMs: number | null;
      } | null;
      isImplied: boolean;
      nativeType: string | null;
    };
    /**
     * @description What went wrong; each code has a meaning and a remedy in the reference of error codes.
     * @enum {string}
     */
    ErrorCode:
      | 'USAGE'
      | 'INVALID_INPUT'
      | 'CONNECTOR_NOT_FOUND'
      | 'PLACE_NOT_FOUND'
      | 'SOURCE_NOT_FOUND'
      | 'PLACES_OVERLAP'
      | 'ALREADY_EXISTS'
      | 'NOT_FOUND'
      | 'CHANGED'
      | 'UNREPRESENTABLE'
      | 'TOO_LARGE'
      | 'UNSUPPORTED'
      | 'ARCHIVED'
      | 'UNAUTHENTICATED'
      | 'CREDENTIALS_EXPIRED'
      | 'PERMISSION_DENIED'
      | 'QUOTA_EXCEEDED'
      | 'DISK_FULL'
      | 'THROTTLED'
      | 'UNAVAILABLE'
      | 'UNREACHABLE'
      | 'TIMED_OUT'
      | 'EARLY_END'
      | 'EXTRA_BYTES'
      | 'CORRUPTED'
      | 'WRONG_REGION'
      | 'CLOCK_SKEW'
      | 'LISTING_INCOMPLETE'
      | 'LISTING_DISORDERED'
      | 'UPLOAD_LOST'
      | 'GUARD_EMPTY_SOURCE'
      | 'GUARD_DELETE_CAP'
      | 'GUARD_BUSY'
      | 'GUARD_CONFIRM'
      | 'LEASE_LOST'
      | 'CANCELLED'
      | 'ENTITY_NOT_FOUND'
      | 'IN_USE'
      | 'FIXED_FIELD'
      | 'EDIT_CONFLICT'
      | 'COUNT_CHANGED'
      | 'WRONG_STATE'
      | 'PREFLIGHT_FAILED'
      | 'NOT_SIGNED_IN'
      | 'FORBIDDEN'
      | 'RATE_LIMITED'
      | 'UNSAFE_ADDRESS'
      | 'DATABASE_UNAVAILABLE'
      | 'DATABASE_UNUSABLE'
      | 'DATABASE_MISMATCH'
      | 'VERSION_MISMATCH'
      | 'ARTIFACTS_NOT_SHARED'
      | 'MASTER_KEY_WRONG'
      | 'SERVER_BUSY'
      | 'INTERNAL';
    /** @description Names of projects; null or left out: all. */
    ExportDefinitions: {
      projects?: string[] | null;
    };
    /** @description What went wrong, why, and what to do. */
    Failure: {
      code: components['schemas']['ErrorCode'];
      /** @description What happened and why. */
      message: string;
      /** @description The described field at fault, where one is. */
      field: string | null;
      /** @description What to do. */
      remedy: string;
    };
    /** @description A field of a connector. */
    Field:
      | {
          label: string;
          help: string;
          optional?: boolean;
          /** @description Folded away in forms. */
          advanced?: boolean;
          /** @description Asked only when another field has one of these values. */
          when?: {
            field: string;
            in: string[];
          };
          environmentName?: string;
          /** @constant */
          type: 'text';
          multiline?: boolean;
          /** @constant */
          format?: 'url';
          lengthMin?: number;
          lengthMax?: number;
          pattern?: string;
          example?: string;
          default?: string;
        }
      | {
          label: string;
          help: string;
          optional?: boolean;
          /** @description Folded away in forms. */
          advanced?: boolean;
          /** @description Asked only when another field has one of these values. */
          when?: {
            field: string;
            in: string[];
          };
          environmentName?: string;
          /** @constant */
          type: 'secret';
          multiline?: boolean;
        }
      | {
          label: string;
          help: string;
          optional?: boolean;
          /** @description Folded away in forms. */
          advanced?: boolean;
          /** @description Asked only when another field has one of these values. */
          when?: {
            field: string;
            in: string[];
          };
          environmentName?: string;
          /** @constant */
          type: 'choice';
          choices: {
            value: string;
            label: string;
            help?: string;
          }[];
          default: string;
        }
      | {
          label: string;
          help: string;
          optional?: boolean;
          /** @description Folded away in forms. */
          advanced?: boolean;
          /** @description Asked only when another field has one of these values. */
          when?: {
            field: string;
            in: string[];
          };
          environmentName?: string;
          /** @constant */
          type: 'flag';
          default: boolean;
        }
      | {
          label: string;
          help: string;
          optional?: boolean;
          /** @description Folded away in forms. */
          advanced?: boolean;
          /** @description Asked only when another field has one of these values. */
          when?: {
            field: string;
            in: string[];
          };
          environmentName?: string;
          /** @constant */
          type: 'number';
          min: number;
          max: number;
          unit?: string;
          default?: number;
        };
    /** @description What is left out. */
    FilterPolicy: {
      /** @description Globs on the whole key; empty: everything. `*` stops at `/`, `**` does not. */
      include: string[];
      exclude: string[];
      sizeBytesMin: number | null;
      sizeBytesMax: number | null;
      /** @description Only objects last written at least this long before the run's start. */
      ageMsMin: number | null;
      ageMsMax: number | null;
      modifiedBeforeMs: number | null;
      modifiedAfterMs: number | null;
      /** @description Storage classes to leave out. */
      excludeClasses: string[];
    };
    /** @description Where the role is missing. */
    GrantInput: {
      /** @enum {string} */
      side: 'source' | 'target';
    };
    /**
     * @description How it is.
     * @enum {string}
     */
    Health: 'untested' | 'healthy' | 'needs-attention';
    /** @description A member of an organization, as its inventory saw it last. */
    InventoryAccount: {
      /** @description Stays the same for ever. */
      connectorId: string;
      accountId: string;
      name: string;
      /** @description ISO 8601 in UTC, such as 2026-03-01T08:00:00.000Z. */
      firstSeenAt: string;
      /** @description ISO 8601 in UTC, such as 2026-03-01T08:00:00.000Z. */
      lastSeenAt: string;
      /** @description Not in use, or not in the organization, since then. */
      goneAt: string | null;
      /** @description When its buckets were last listed. */
      lastSyncAt: string | null;
      /** @description Why they were not since; what was seen before stays as it was. */
      lastSyncError: components['schemas']['Failure'] | null;
    };
    /** @description One page of a list. */
    InventoryAccountPage: {
      readonly items: components['schemas']['InventoryAccount'][];
      /** @description Give it back as `cursor`; null at the end. */
      nextCursor: string | null;
      /** @description Exact up to 1,000,000; null where it was not asked for. */
      total: number | null;
      /** @description Of the first entry among all, from 0; only where the page was asked for by `at`. */
      position?: number | null;
    };
    /** @description A bucket or container that was seen. */
    InventoryItem: {
      /** @description Stays the same for ever. */
      connectorId: string;
      /** @description The cloud account it is in; null where the connector stands for none. */
      accountId: string | null;
      container: string;
      region: string | null;
      /** @description ISO 8601 in UTC, such as 2026-03-01T08:00:00.000Z. */
      firstSeenAt: string;
      /** @description ISO 8601 in UTC, such as 2026-03-01T08:00:00.000Z. */
      lastSeenAt: string;
      /** @description Not listed any more since then. */
      goneAt: string | null;
    };
    /** @description One page of a list. */
    InventoryItemPage: {
      readonly items: components['schemas']['InventoryItem'][];
      /** @description Give it back as `cursor`; null at the end. */
      nextCursor: string | null;
      /** @description Exact up to 1,000,000; null where it was not asked for. */
      total: number | null;
      /** @description Of the first entry among all, from 0; only where the page was asked for by `at`. */
      position?: number | null;
    };
    /** @description Once ended: scanned = copied + same + excluded + skipped + unsupported + failed; deleted stands outside. */
    ItemCounts: {
      scanned: number;
      copied: number;
      same: number;
      excluded: number;
      skipped: number;
      unsupported: number;
      failed: number;
      deleted: number;
    };
    /** @description What is moved where, and how. */
    Job: {
      /** @description Stays the same for ever. */
      id: string;
      /** @description Rises with every change; the ETag is made of it. */
      version: number;
      /** @description ISO 8601 in UTC, such as 2026-03-01T08:00:00.000Z. */
      createdAt: string;
      /** @description Name of whoever made it. */
      createdBy: string;
      /** @description ISO 8601 in UTC, such as 2026-03-01T08:00:00.000Z. */
      updatedAt: string;
      /** @description Stays the same for ever. */
      projectId: string;
      projectName: string;
      name: string;
      description: string;
      type: components['schemas']['JobType'];
      source: components['schemas']['JobEnd'];
      target: components['schemas']['JobEnd'];
      settings: components['schemas']['JobSettings'];
      tuning: components['schemas']['JobTuning'];
      lastRun: components['schemas']['RunBrief'] | null;
      nextRunAt: string | null;
      /** @description Only of one that was just made or changed. */
      warnings?: string[];
    };
    /** @description One side of a job; fixed after creation. */
    JobEnd: {
      /** @description Stays the same for ever. */
      endpointId: string;
      endpointName: string;
      provider: string;
      subPath: string;
      fullPath: string;
    };
    /** @description A new job. */
    JobInput: {
      /** @description For people; unique among its kind. */
      name: string;
      description?: string;
      /** @description Stays the same for ever. */
      sourceEndpointId: string;
      /** @description Empty, or ends with a slash. */
      sourceSubPath?: string;
      /** @description Stays the same for ever. */
      targetEndpointId: string;
      /** @description Empty, or ends with a slash. */
      targetSubPath?: string;
      settings?: components['schemas']['JobSettingsChange'];
      tuning?: components['schemas']['JobTuningChange'];
    };
    /** @description One page of a list. */
    JobPage: {
      readonly items: components['schemas']['Job'][];
      /** @description Give it back as `cursor`; null at the end. */
      nextCursor: string | null;
      /** @description Exact up to 1,000,000; null where it was not asked for. */
      total: number | null;
      /** @description Of the first entry among all, from 0; only where the page was asked for by `at`. */
      position?: number | null;
    };
    /** @description What deleting a job takes along. */
    JobRemoval: {
      /** @description With their logs. */
      runs: number;
      /** @description Of the runs: they keep it from being deleted. */
      active: number;
      schedules: number;
      enabledSchedules: number;
      /** @description Files that were asked for: validation reports, copy logs, manifests. */
      reports: number;
    };
    /** @description What a job decides about its runs; a change holds for the next run. */
    JobSettings: {
      /** @enum {string} */
      targetNewer: 'overwrite' | 'skip';
      filter: components['schemas']['FilterPolicy'];
      /** @enum {string} */
      serverSide: 'auto' | 'never' | 'always';
      /** @enum {string} */
      versions: 'current' | 'all';
      /** @enum {string} */
      metadata: 'preserve' | 'refresh' | 'ignore';
      /** @enum {string} */
      tags: 'preserve' | 'ignore';
      archived: 'report' | components['schemas']['RestorePolicy'];
      /** @description Most deletions a mirror may make. */
      deleteMax: number | null;
      /** @description The same as a share of the target's objects; `null` for none. `default`: nobody chose, so 0.5 holds, and gives way where an empty source is allowed. */
      deleteShareMax: (number | 'default') | null;
      allowEmptySource: boolean;
      /**
       * @description read-back: what was written is read again from the target before it counts as copied; what no digest proves the same is read on both sides.
       * @enum {string}
       */
      verify: 'digest' | 'read-back';
      /** @description Items proved by size alone are accepted. */
      acceptV0: boolean;
      /** @description null: the target's default. */
      storageClass: string | null;
      /** @enum {string} */
      mode: 'merge' | 'mirror';
    };
    /** @description What differs from the defaults, or changes. */
    JobSettingsChange: {
      /** @enum {string} */
      targetNewer?: 'overwrite' | 'skip';
      filter?: components['schemas']['FilterPolicy'];
      /** @enum {string} */
      serverSide?: 'auto' | 'never' | 'always';
      /** @enum {string} */
      versions?: 'current' | 'all';
      /** @enum {string} */
      metadata?: 'preserve' | 'refresh' | 'ignore';
      /** @enum {string} */
      tags?: 'preserve' | 'ignore';
      archived?: 'report' | components['schemas']['RestorePolicy'];
      /** @description Most deletions a mirror may make. */
      deleteMax?: number | null;
      /** @description The same as a share of the target's objects; `null` for none. `default`: nobody chose, so 0.5 holds, and gives way where an empty source is allowed. */
      deleteShareMax?: (number | 'default') | null;
      allowEmptySource?: boolean;
      /**
       * @description read-back: what was written is read again from the target before it counts as copied; what no digest proves the same is read on both sides.
       * @enum {string}
       */
      verify?: 'digest' | 'read-back';
      /** @description Items proved by size alone are accepted. */
      acceptV0?: boolean;
      /** @description null: the target's default. */
      storageClass?: string | null;
      /** @enum {string} */
      mode?: 'merge' | 'mirror';
    };
    /** @description Performance only. */
    JobTuning: {
      /** @description null: chosen by Drover. */
      transfersMax: number | null;
      /** @description Of a saved bandwidth timetable. */
      timetableId: string | null;
    };
    /** @description Performance only. */
    JobTuningChange: {
      /** @description null: chosen by Drover. */
      transfersMax?: number | null;
      /** @description Of a saved bandwidth timetable. */
      timetableId?: string | null;
    };
    /**
     * @description Follows from the endpoints.
     * @enum {string}
     */
    JobType: 'cloud-to-cloud' | 'folder-to-cloud' | 'cloud-to-folder' | 'folder-to-folder';
    /** @description existed: it was there already, and ours. */
    MadeContainer: {
      /** @enum {string} */
      result: 'made' | 'existed';
    };
    /** @description A subscription and the key its messages are signed with. */
    MadeSubscription: {
      subscription: components['schemas']['Subscription'];
      /** @description Shown this once. */
      signingSecret: string | null;
    };
    /** @description A token and its secret. */
    MadeToken: {
      token: components['schemas']['Token'];
      /** @description Shown this once; send it as `Authorization: Bearer …`. */
      secret: string;
    };
    /** @description A new bucket, container or folder. */
    MakeContainer: {
      name: string;
    };
    /** @description How it went for one of many. */
    ManyOutcome: {
      id: string;
      /** @description Of the job, with its project. */
      name: string;
      /** @description That was started. */
      runId: string | null;
      /** @description null: it was done. */
      error: components['schemas']['Failure'] | null;
    };
    /** @description Who is signed in. */
    Me: {
      actor: {
        /** @enum {string} */
        kind: 'person' | 'token' | 'system';
        name: string;
        role: components['schemas']['Role'];
        personId: string | null;
        tokenId: string | null;
      };
      /** @description null for a token. */
      person: components['schemas']['Person'] | null;
      /** @description Send it as `X-CSRF-Token` with everything but GET; null for a token, which needs none. */
      csrfToken: string | null;
      /** @description What the role allows. */
      rights: string[];
      programVersion: string;
    };
    /**
     * @description What is told.
     * @enum {string}
     */
    NotificationEvent: 'run.completed' | 'run.failed' | 'run.attention' | 'schedule.refused' | 'connector.attention';
    /** @description One message. */
    NumberedDelivery: {
      /** @description Of the event, for whoever is told of it and however often: drop doubles by it. */
      eventId: string;
      /** @description ISO 8601 in UTC, such as 2026-03-01T08:00:00.000Z. */
      at: string;
      event: components['schemas']['NotificationEvent'] | ('test' | 'digest');
      /** @enum {string} */
      state: 'pending' | 'delivered' | 'failed';
      attempts: number;
      error: string | null;
      number: number;
    };
    /** @description A pair of endpoints and settings, saved or not. */
    OutcomesInput: {
      /** @description Stays the same for ever. */
      sourceEndpointId: string;
      /** @description Stays the same for ever. */
      targetEndpointId: string;
      settings?: components['schemas']['JobSettingsChange'];
    };
    /** @description What needs attention, what is going on, what comes next. */
    Overview: {
      /** @description When it was true. */
      asOf: string;
      /** @description Newest first, at most 100. */
      attention: components['schemas']['Attention'][];
      /** @description There is more than that. */
      moreAttention: boolean;
      /** @description The first few of them. */
      running: components['schemas']['Run'][];
      runningTotal: number;
      queued: number;
      /** @description Runs that may go on at once, in the whole installation. */
      runsMax: number;
      today: {
        items: number;
        bytes: number;
        /** @description Objects. */
        failed: number;
        runs: number;
        failedRuns: number;
      };
      /** @description When the codes were counted: that is done anew from time to time. */
      codesAsOf: string;
      codes: {
        code: string;
        items: number;
      }[];
      nextSchedules: components['schemas']['Schedule'][];
    };
    /** @description Somebody who can sign in. */
    Person: {
      /** @description Stays the same for ever. */
      id: string;
      /** @description Rises with every change; the ETag is made of it. */
      version: number;
      /** @description ISO 8601 in UTC, such as 2026-03-01T08:00:00.000Z. */
      createdAt: string;
      /** @description Name of whoever made it. */
      createdBy: string;
      /** @description ISO 8601 in UTC, such as 2026-03-01T08:00:00.000Z. */
      updatedAt: string;
      email: string;
      name: string;
      role: components['schemas']['Role'];
      /** @enum {string} */
      state: 'active' | 'disabled';
      /**
       * @description How this person signs in.
       * @enum {string}
       */
      signIn: 'password' | 'oidc';
      lastSignInAt: string | null;
    };
    /** @description One page of a list. */
    PersonPage: {
      readonly items: components['schemas']['Person'][];
      /** @description Give it back as `cursor`; null at the end. */
      nextCursor: string | null;
      /** @description Exact up to 1,000,000; null where it was not asked for. */
      total: number | null;
      /** @description Of the first entry among all, from 0; only where the page was asked for by `at`. */
      position?: number | null;
    };
    /** @description Where within a connector. */
    Place: {
      /** @description Bucket, container or root folder; empty: the whole account. */
      container: string;
      /** @description Empty, or ends with a slash; taken literally. */
      prefix: string;
    };
    /** @description A document as `export` gives it. */
    PlanDefinitions: {
      /** @description Any JSON. */
      document: unknown;
    };
    /** @description What a run was started with. */
    Policy: {
      /** @enum {string} */
      targetNewer: 'overwrite' | 'skip';
      filter: components['schemas']['FilterPolicy'];
      /** @enum {string} */
      serverSide: 'auto' | 'never' | 'always';
      /** @enum {string} */
      versions: 'current' | 'all';
      /** @enum {string} */
      metadata: 'preserve' | 'refresh' | 'ignore';
      /** @enum {string} */
      tags: 'preserve' | 'ignore';
      archived: 'report' | components['schemas']['RestorePolicy'];
      /** @description Most deletions a mirror may make. */
      deleteMax: number | null;
      /** @description The same as a share of the target's objects; `null` for none. `default`: nobody chose, so 0.5 holds, and gives way where an empty source is allowed. */
      deleteShareMax: (number | 'default') | null;
      allowEmptySource: boolean;
      /**
       * @description read-back: what was written is read again from the target before it counts as copied; what no digest proves the same is read on both sides.
       * @enum {string}
       */
      verify: 'digest' | 'read-back';
      /** @description Items proved by size alone are accepted. */
      acceptV0: boolean;
      /** @description null: the target's default. */
      storageClass: string | null;
      /** @enum {string} */
      mode: 'merge' | 'mirror' | 'check';
      dryRun: boolean;
      oneWay: boolean;
    };
    /** @description What a policy should allow. */
    PolicyRequest: {
      /** @enum {string} */
      kind?: 'iam' | 'iam-full' | 'trust' | 'cloudformation' | 'stackset' | 'names';
      /**
       * @description What it is to be used for.
       * @enum {string}
       */
      use?: 'read' | 'write' | 'both';
      containers?: string[];
      withTags?: boolean;
      withRestore?: boolean;
      withVersions?: boolean;
      /** @description CIDR ranges that requests must come from. */
      sourceAddresses?: string[];
      vpcEndpoints?: string[];
      /** @description The identity Drover signs with, an ARN. */
      trustedPrincipal?: string | null;
      externalId?: string | null;
      tags?: {
        [key: string]: string;
      };
    };
    /** @description Ready to paste. */
    PolicyTexts: {
      title: string;
      /** @enum {string} */
      language: 'json' | 'yaml' | 'text';
      text: string;
    }[];
    /** @description Whether a job could start now, and exactly what to grant where not. */
    Preflight: {
      ok: boolean;
      source: components['schemas']['CheckLine'][];
      target: components['schemas']['CheckLine'][];
      grants: {
        /** @enum {string} */
        side: 'source' | 'target';
        title: string;
        /** @description Ready to paste or to run. */
        text: string;
        /** @description Drover may be able to do it by itself. */
        offered: 'assign-role' | null;
      }[];
      concessions: components['schemas']['Concession'][];
      warnings: string[];
      estimate: components['schemas']['RunEstimate'] | null;
    };
    /** @description How thoroughly. */
    PreflightInput: {
      /** @description Also lists the source for the estimate. */
      count?: boolean;
      /** @description Of the run that is to be started. Left out: transfer. */
      kind?: components['schemas']['RunKind'];
    };
    /** @description A schedule that need not be saved. */
    PreviewSchedule: {
      schedule: components['schemas']['ScheduleInput'];
      /** @description 5 unless given. */
      count?: number;
    };
    /** @description The next moments, as clocks in the zone of the schedule show them. */
    PreviewTimes: string[];
    /** @description What went wrong, why, and what to do (RFC 9457). */
    Problem: {
      /** @description `urn:drover:error:` and the code. */
      type: string;
      title: string;
      status: number;
      code: components['schemas']['ErrorCode'];
      /** @description What happened and why. */
      detail: string;
      /** @description The first member at fault, where one is. */
      field: string | null;
      /** @description What to do. */
      remedy: string;
      /** @description Everything that is wrong about the request. */
      errors: {
        /** @description Such as config.region. */
        path: string;
        message: string;
      }[];
      /** @description The storage service's own words, where it was asked. */
      details: {
        [key: string]: string | number;
      } | null;
      /** @description What was found and what to grant; only with PREFLIGHT_FAILED. */
      preflight?: components['schemas']['Preflight'];
      /** @description Names this request in the server's log. */
      requestId: string;
    };
    /** @description Jobs that belong together. */
    Project: {
      /** @description Stays the same for ever. */
      id: string;
      /** @description Rises with every change; the ETag is made of it. */
      version: number;
      /** @description ISO 8601 in UTC, such as 2026-03-01T08:00:00.000Z. */
      createdAt: string;
      /** @description Name of whoever made it. */
      createdBy: string;
      /** @description ISO 8601 in UTC, such as 2026-03-01T08:00:00.000Z. */
      updatedAt: string;
      name: string;
      description: string;
      counts: {
        jobs: number;
        runs: number;
        /** @description Runs that have not ended. */
        active: number;
      };
    };
    /** @description One page of a list. */
    ProjectPage: {
      readonly items: components['schemas']['Project'][];
      /** @description Give it back as `cursor`; null at the end. */
      nextCursor: string | null;
      /** @description Exact up to 1,000,000; null where it was not asked for. */
      total: number | null;
      /** @description Of the first entry among all, from 0; only where the page was asked for by `at`. */
      position?: number | null;
    };
    /** @description What deleting a project takes along. */
    ProjectRemoval: {
      jobs: number;
      runs: number;
      /** @description Of the runs: they keep it from being deleted. */
      active: number;
      schedules: number;
      enabledSchedules: number;
      /** @description Those about this project alone. */
      subscriptions: number;
    };
    /** @description A kind of storage. */
    Provider: {
      manifest: {
        id: string;
        title: string;
        summary: string;
        containerWord: string;
        /** @description null: cannot be read from. */
        source: {
          [key: string]: unknown;
        } | null;
        /** @description null: cannot be written to. */
        target: {
          [key: string]: unknown;
        } | null;
      };
      fields: {
        [key: string]: components['schemas']['Field'];
      };
    };
    /** @description Every kind of storage that this server speaks to. */
    Providers: components['schemas']['Provider'][];
    /** @description The same fields; a secret left out stays as it is. */
    Reauthorize: {
      /** @description Values of the fields that the provider describes, secrets among them. */
      config: {
        [key: string]: unknown;
      };
      /** @description Endpoints and jobs may be led to another store by it; refused with GUARD_CONFIRM otherwise. */
      acceptMove?: boolean;
    };
    /** @description What signed reports are checked with. */
    ReportKey: {
      /** @description Ed25519, SubjectPublicKeyInfo in DER, base64. */
      publicKey: string;
    };
    /** @description How archived objects are brought back. */
    RestorePolicy: {
      /** @enum {string} */
      tier: 'Standard' | 'Bulk' | 'Expedited';
      days: number;
    };
    /**
     * @description viewer sees, operator also defines and runs transfers, admin may do everything.
     * @enum {string}
     */
    Role: 'viewer' | 'operator' | 'admin';
    /** @description One execution of a job. */
    Run: {
      /** @description Stays the same for ever. */
      id: string;
      version: number;
      /** @description What looks wrong before it goes on: only in the answer to its start, or to an order to resume it. */
      warnings?: string[];
      /** @description Counts the runs of its job. */
      number: number;
      /** @description Stays the same for ever. */
      jobId: string;
      jobName: string;
      /** @description Stays the same for ever. */
      projectId: string;
      projectName: string;
      kind: components['schemas']['RunKind'];
      /** @enum {string} */
      trigger: 'person' | 'token' | 'schedule';
      createdBy: string;
      sourcePath: string;
      targetPath: string;
      state: components['schemas']['RunState'];
      waits: components['schemas']['WaitReason'] | null;
      /** @description 1: next; only while queued. */
      queuePlace: number | null;
      retryOf: string | null;
      scheduledAt: string | null;
      /** @description ISO 8601 in UTC, such as 2026-03-01T08:00:00.000Z. */
      queuedAt: string;
      startedAt: string | null;
      endedAt: string | null;
      error: components['schemas']['Failure'] | null;
      /** @description Of state and `error`, as Azure Storage Mover calls it: AZSM0000 when it succeeded, AZSM1003; two where the side at fault decides. */
      readonly storageMoverCodes: string[];
      counters: components['schemas']['Counters'];
      requests: {
        source: {
          [key: string]: number;
        };
        target: {
          [key: string]: number;
        };
      };
      durationMs: number;
      manifestRoot: string | null;
      live: components['schemas']['RunLive'] | null;
      /** @description What it was expected to find in the source when it was started; null: nothing was known. */
      expected: {
        items: number;
        sizeBytes: number | null;
        /** @enum {string} */
        basis: 'last-run' | 'counted' | 'retried-run';
        /** @description The run that told. */
        runId: string | null;
      } | null;
      /** @description Rises with every change of the counters. */
      sequence: number;
      /** @description When the numbers were true. */
      asOf: string;
    };
    /** @description The same on many runs. */
    RunActions: {
      /** @enum {string} */
      action: 'pause' | 'resume' | 'cancel';
      /** @description As in the list. */
      search?: string;
      /** @description As in the list; left out: all. */
      filter?: {
        [key: string]: string[];
      };
      /** @description Ids to leave alone. */
      except?: string[];
      /** @description As shown to the person; refused when it is another. */
      expectedCount: number;
    };
    /** @description A run in one line. */
    RunBrief: {
      /** @description Stays the same for ever. */
      id: string;
      number: number;
      kind: components['schemas']['RunKind'];
      state: components['schemas']['RunState'];
      startedAt: string | null;
      endedAt: string | null;
      durationMs: number;
      items: components['schemas']['ItemCounts'];
      sequence: number;
      /** @description ISO 8601 in UTC, such as 2026-03-01T08:00:00.000Z. */
      asOf: string;
    };
    /** @description From the last run, or from counting. */
    RunEstimate: {
      /** @enum {string} */
      basis: 'last-run' | 'counted';
      items: number;
      sizeBytes: number;
      archivedItems: number;
      requests: number;
      lowMs: number;
      highMs: number;
    };
    /** @description A row of the copy log that can be searched. */
    RunItem: {
      number: number;
      key: string;
      versionId?: string;
      /** @description The name at the target, when it differs. */
      targetKey?: string;
      /** @enum {string} */
      result:
        | 'copied'
        | 'same'
        | 'excluded'
        | 'skipped'
        | 'unsupported'
        | 'failed'
        | 'deleted'
        | 'missing'
        | 'extra'
        | 'different';
      /** @enum {string} */
      kind: 'object' | 'folder' | 'opaque';
      sizeBytes: number;
      /** @description Bytes at the target, when compared and another number. */
      targetSizeBytes?: number;
      /** @description Why. */
      code: string;
      details?: string;
      /**
       * @description Which side refused, where it failed and that is known.
       * @enum {string}
       */
      side?: 'source' | 'target';
      /** @description As Azure Storage Mover calls it: AZSM2062. */
      storageMoverCode: string | null;
      /** @enum {string} */
      verification?: 'V3' | 'V2' | 'V1' | 'V0' | 'VM';
      /** @constant */
      leg?: 'target';
      /** @description How often it was tried, also in vain. */
      attempts?: number;
      startedAtMs?: number;
      durationMs?: number;
    };
    /** @description The first 100,000 failed and unsupported items of a run. */
    RunItemPage: {
      items: components['schemas']['RunItem'][];
      nextCursor: string | null;
      total: number | null;
      /** @description false: there are more, in the copy log to download. */
      complete: boolean;
    };
    /**
     * @description retry: only what failed in another run. validate: compares both sides and changes nothing.
     * @enum {string}
     */
    RunKind: 'transfer' | 'dry-run' | 'validate' | 'retry';
    /** @description Only while workers are at it: the sum over all of them. */
    RunLive: {
      /** @enum {string} */
      phase: 'starting' | 'copying' | 'names' | 'deleting' | 'settling' | 'ended';
      /** @description As they are at this moment, ahead of what is committed. */
      counters: components['schemas']['Counters'];
      pendingItems: number;
      pendingBytes: number;
      listingComplete: boolean;
      bytesPerSecond: number;
      itemsPerSecond: number;
      bytesPerSecondMean: number;
      /** @description Of everything in the source. null: nothing was expected, and listing goes on. */
      totals: {
        items: number;
        sizeBytes: number | null;
        /** @description Everything is listed; else what was expected, and not less than what was found. */
        isExact: boolean;
      } | null;
      /** @description Share of the totals that is done: 0 to 99, never going back. */
      percent: number | null;
      /** @description low and medium: from what was expected, or from a speed that was not watched for long. */
      remaining: {
        lowMs: number;
        highMs: number;
        /** @enum {string} */
        confidence: 'low' | 'medium' | 'high';
      } | null;
      limitedBy: {
        /**
         * @description limit: one that was set for a connector or the job. latency: small objects wait for answers.
         * @enum {string}
         */
        kind: 'source' | 'target' | 'bandwidth' | 'limit' | 'cpu' | 'listing' | 'link' | 'latency' | 'none';
        /** @description What it is, and what to do about it. */
        text: string;
        /** @description Whose owner or whose limits could change it. */
        connectorId: string | null;
        /** @description ISO 8601 in UTC, such as 2026-03-01T08:00:00.000Z. */
        since: string;
      };
      current: {
        key: string;
        sizeBytes: number;
        doneBytes: number;
      }[];
      workers: {
        /** @description Stays the same for ever. */
        id: string;
        name: string;
        segments: number;
      }[];
    };
    /** @description What happened in a run. */
    RunLogLine: {
      number: number;
      /** @description ISO 8601 in UTC, such as 2026-03-01T08:00:00.000Z. */
      at: string;
      /** @enum {string} */
      level: 'info' | 'warn' | 'error';
      code: string | null;
      message: string;
      /** @description Of `code`, as Azure Storage Mover calls it; two where the side at fault decides. */
      readonly storageMoverCodes: string[];
    };
    /** @description One page of a list. */
    RunLogLinePage: {
      readonly items: components['schemas']['RunLogLine'][];
      /** @description Give it back as `cursor`; null at the end. */
      nextCursor: string | null;
      /** @description Exact up to 1,000,000; null where it was not asked for. */
      total: number | null;
      /** @description Of the first entry among all, from 0; only where the page was asked for by `at`. */
      position?: number | null;
    };
    /** @description About equal shares of the run's objects, in key order; what cannot be cut further is one wider cell. The topic run-map:ID tells how it changes. */
    RunMap: {
      runId: string;
      /** @description The run's, when the cells were read. */
      sequence: number;
      /** @description ISO 8601 in UTC, such as 2026-03-01T08:00:00.000Z. */
      asOf: string;
      cells: {
        /** @description Its first key; null: the first of all. */
        from: string | null;
        /** @description Where the next cell begins; null: behind the last of all. */
        to: string | null;
        /** @description Of all objects, from 0 to 1. */
        share: number;
        /** @description All of it is settled; else its share is a guess. */
        isExact: boolean;
        /**
         * @description The worst in it.
         * @enum {string}
         */
        state: 'waiting' | 'listing' | 'done' | 'issues' | 'failed';
        /** @description Settled in it. */
        items: number;
        failed: number;
        unsupported: number;
      }[];
    };
    /** @description One page of a list. */
    RunPage: {
      readonly items: components['schemas']['Run'][];
      /** @description Give it back as `cursor`; null at the end. */
      nextCursor: string | null;
      /** @description Exact up to 1,000,000; null where it was not asked for. */
      total: number | null;
      /** @description Of the first entry among all, from 0; only where the page was asked for by `at`. */
      position?: number | null;
    };
    /** @description A range of keys of a run. */
    RunSegment: {
      segmentId: string;
      kind: string;
      from: string | null;
      to: string | null;
      /** @enum {string} */
      state: 'open' | 'held' | 'done';
      epoch: number;
      worker: string | null;
      counters: components['schemas']['Counters'];
      /** @description The run's, when this was read. */
      sequence: number;
      /** @description ISO 8601 in UTC, such as 2026-03-01T08:00:00.000Z. */
      asOf: string;
    };
    /** @description One page of a list. */
    RunSegmentPage: {
      readonly items: components['schemas']['RunSegment'][];
      /** @description Give it back as `cursor`; null at the end. */
      nextCursor: string | null;
      /** @description Exact up to 1,000,000; null where it was not asked for. */
      total: number | null;
      /** @description Of the first entry among all, from 0; only where the page was asked for by `at`. */
      position?: number | null;
    };
    /** @description What a run was started with; never changes. */
    RunSnapshot: {
      settings: components['schemas']['Policy'];
      concessions: components['schemas']['Concession'][];
      source: {
        /** @description Stays the same for ever. */
        connectorId: string;
        connector: string;
        place: components['schemas']['Place'];
        only: string | null;
      };
      target: {
        /** @description Stays the same for ever. */
        connectorId: string;
        connector: string;
        place: components['schemas']['Place'];
      };
      tuning: {
        transfersMax: number | null;
        bandwidth: components['schemas']['BandwidthTimetable'] | null;
      };
    };
    /**
     * @description Where a run stands.
     * @enum {string}
     */
    RunState:
      | 'queued'
      | 'running'
      | 'pausing'
      | 'paused'
      | 'cancelling'
      | 'cancelled'
      | 'failed'
      | 'succeeded'
      | 'completed-with-issues';
    /** @description What one worker had of a run, and what its leases have cost it. */
    RunWorker: {
      /** @description Stays the same for ever. */
      id: string;
      name: string | null;
      host: string | null;
      /** @description ISO 8601 in UTC, such as 2026-03-01T08:00:00.000Z. */
      joinedAt: string;
      leftAt: string | null;
      /** @description ISO 8601 in UTC, such as 2026-03-01T08:00:00.000Z. */
      lastSeenAt: string;
      /**
       * @description Lost: it fell silent without saying that it leaves.
       * @enum {string}
       */
      state: 'at-work' | 'left' | 'lost';
      isAtWork: boolean;
      /** @description In its hands now. */
      segments: number;
      /** @description Of the segments that were last in its hands. */
      items: number;
      /** @description Segments it has claimed. */
      claims: number;
      /** @description Claims of what another worker had when it fell silent. */
      takeovers: number;
      /** @description Times it found nothing to claim while others were listing. */
      waits: number;
      /** @description How long it waited for that, together. */
      idleMs: number;
    };
    /** @description In the order in which they joined. */
    RunWorkers: components['schemas']['RunWorker'][];
    /** @description The sample data, where there is some. */
    Samples: {
      /** @description Members are null where somebody has removed them since. */
      sample: {
        /** @description ISO 8601 in UTC, such as 2026-03-01T08:00:00.000Z. */
        createdAt: string;
        /** @description On the machine of the server. */
        folder: string;
        files: number;
        connectorId: string | null;
        sourceEndpointId: string | null;
        targetEndpointId: string | null;
        projectId: string | null;
        jobId: string | null;
      } | null;
    };
    /** @description Starts runs of a job by itself. */
    Schedule: {
      /** @description Stays the same for ever. */
      id: string;
      /** @description Rises with every change; the ETag is made of it. */
      version: number;
      /** @description ISO 8601 in UTC, such as 2026-03-01T08:00:00.000Z. */
      createdAt: string;
      /** @description Name of whoever made it. */
      createdBy: string;
      /** @description ISO 8601 in UTC, such as 2026-03-01T08:00:00.000Z. */
      updatedAt: string;
      /** @description Stays the same for ever. */
      jobId: string;
      jobName: string;
      projectName: string;
      rule: components['schemas']['ScheduleRule'];
      timeZone: string;
      startsAt: string | null;
      endsAt: string | null;
      enabled: boolean;
      /** @enum {string} */
      runKind: 'transfer' | 'dry-run' | 'validate';
      nextAt: string | null;
      lastAt: string | null;
      lastOutcome: components['schemas']['ScheduleOutcome'] | null;
    };
    /** @description What a schedule did. */
    ScheduleEvent: {
      /** @description ISO 8601 in UTC, such as 2026-03-01T08:00:00.000Z. */
      at: string;
      /** @enum {string} */
      outcome: 'started' | 'skipped' | 'refused';
      runId: string | null;
      /** @description Why it was skipped or refused. */
      detail: string | null;
      number: number;
    };
    /** @description One page of a list. */
    ScheduleEventPage: {
      readonly items: components['schemas']['ScheduleEvent'][];
      /** @description Give it back as `cursor`; null at the end. */
      nextCursor: string | null;
      /** @description Exact up to 1,000,000; null where it was not asked for. */
      total: number | null;
      /** @description Of the first entry among all, from 0; only where the page was asked for by `at`. */
      position?: number | null;
    };
    /** @description A new schedule; it is made disabled. */
    ScheduleInput: {
      rule: components['schemas']['ScheduleRule'];
      /** @description Such as Europe/Berlin. */
      timeZone: string;
      startsAt?: string | null;
      endsAt?: string | null;
      /** @enum {string} */
      runKind?: 'transfer' | 'dry-run' | 'validate';
    };
    /** @description How it went. */
    ScheduleOutcome: {
      /** @description ISO 8601 in UTC, such as 2026-03-01T08:00:00.000Z. */
      at: string;
      /** @enum {string} */
      outcome: 'started' | 'skipped' | 'refused';
      runId: string | null;
      /** @description Why it was skipped or refused. */
      detail: string | null;
    };
    /** @description One page of a list. */
    SchedulePage: {
      readonly items: components['schemas']['Schedule'][];
      /** @description Give it back as `cursor`; null at the end. */
      nextCursor: string | null;
      /** @description Exact up to 1,000,000; null where it was not asked for. */
      total: number | null;
      /** @description Of the first entry among all, from 0; only where the page was asked for by `at`. */
      position?: number | null;
    };
    /** @description When. */
    ScheduleRule:
      | {
          /** @constant */
          kind: 'once';
          /**
           * Format: date-time
           * @description ISO 8601 with Z or an offset.
           */
          at: string;
        }
      | {
          /** @constant */
          kind: 'hourly';
          /** @enum {number} */
          everyHours: 1 | 2 | 3 | 4 | 6 | 8 | 12;
          minute: number;
        }
      | {
          /** @constant */
          kind: 'daily';
          /** @description Hours and minutes, such as 06:30. */
          time: string;
        }
      | {
          /** @constant */
          kind: 'weekly';
          /** @description 0: Sunday. */
          days: number[];
          /** @description Hours and minutes, such as 06:30. */
          time: string;
        }
      | {
          /** @constant */
          kind: 'monthly';
          /** @description 31: the last day of shorter months too. */
          day: number;
          /** @description Hours and minutes, such as 06:30. */
          time: string;
        }
      | {
          /** @constant */
          kind: 'cron';
          text: string;
        };
    /** @description The first administrator. */
    SetUp: {
      /** @description From the link, behind `#t=`. */
      token: string;
      /** @description An e-mail address; compared without case. */
      email: string;
      /** @description The part before @ unless given. */
      name?: string;
      /** @description At least 12 characters, not the e-mail address. */
      password: string;
    };
    /** @description E-mail and password. */
    SignIn: {
      email: string;
      password: string;
    };
    /** @description How one can sign in here. */
    SignInOptions: {
      /** @description There is no administrator yet. */
      needsSetup: boolean;
      /** @description Name of the identity provider, where one is configured. */
      oidcTitle: string | null;
      /**
       * @description refused: plain HTTP from another machine; a browser would not stay signed in.
       * @enum {string}
       */
      cookies: 'kept' | 'refused';
      /** @description Only until set-up is done. */
      programVersion: string | null;
    };
    /** @description A run of each of many jobs. */
    StartJobs: {
      /** @description `retry`: what failed in the newest run of each. */
      kind: components['schemas']['RunKind'];
      skipPreflight?: boolean;
      /** @description As in the list. */
      search?: string;
      /** @description As in the list; left out: all. */
      filter?: {
        [key: string]: string[];
      };
      /** @description Ids to leave alone. */
      except?: string[];
      /** @description As shown to the person; refused when it is another. */
      expectedCount: number;
    };
    /** @description How to start. */
    StartRun: {
      kind: components['schemas']['RunKind'];
      /** @description Only for retry: whose failed items. */
      retryOf?: string;
      /** @description Start although the permission checks find something. That source and target are not one place is looked at all the same. */
      skipPreflight?: boolean;
      /** @description A mirror of an empty source deletes everything; allow that. */
      allowEmptySource?: boolean;
      /**
       * @description Instead of the job's setting, for this run. A validation reads both sides where no digest compares.
       * @enum {string}
       */
      verify?: 'digest' | 'read-back';
    };
    /** @description Who is told what. */
    Subscription: {
      /** @description Stays the same for ever. */
      id: string;
      /** @description Rises with every change; the ETag is made of it. */
      version: number;
      /** @description ISO 8601 in UTC, such as 2026-03-01T08:00:00.000Z. */
      createdAt: string;
      /** @description Name of whoever made it. */
      createdBy: string;
      /** @description ISO 8601 in UTC, such as 2026-03-01T08:00:00.000Z. */
      updatedAt: string;
      name: string;
      /** @enum {string} */
      kind: 'webhook' | 'email';
      destination: string;
      events: components['schemas']['NotificationEvent'][];
      /** @enum {string} */
      digest: 'none' | 'daily';
      enabled: boolean;
      projectId: string | null;
      lastDelivery: components['schemas']['Delivery'] | null;
    };
    /** @description A new subscription. */
    SubscriptionInput: {
      /** @description For people; unique among its kind. */
      name: string;
      /** @enum {string} */
      kind: 'webhook' | 'email';
      /** @description An address that starts with https://, or an e-mail address. */
      destination: string;
      events: components['schemas']['NotificationEvent'][];
      /**
       * @description daily: one message a day.
       * @enum {string}
       */
      digest?: 'none' | 'daily';
      enabled?: boolean;
      /** @description null: all projects. */
      projectId?: string | null;
    };
    /** @description One page of a list. */
    SubscriptionPage: {
      readonly items: components['schemas']['Subscription'][];
      /** @description Give it back as `cursor`; null at the end. */
      nextCursor: string | null;
      /** @description Exact up to 1,000,000; null where it was not asked for. */
      total: number | null;
      /** @description Of the first entry among all, from 0; only where the page was asked for by `at`. */
      position?: number | null;
    };
    /** @description The same on many schedules. */
    SwitchSchedules: {
      /** @enum {string} */
      action: 'enable' | 'disable';
      /** @description As in the list. */
      search?: string;
      /** @description As in the list; left out: all. */
      filter?: {
        [key: string]: string[];
      };
      /** @description Ids to leave alone. */
      except?: string[];
      /** @description As shown to the person; refused when it is another. */
      expectedCount: number;
    };
    /** @description Names and values. */
    Tags: {
      [key: string]: string;
    };
    /** @description What the store was seen to honour. */
    TargetFacts: {
      observedAtMs: number | null;
      /** @enum {string} */
      createOnly: 'honoured' | 'ignored' | 'refused' | 'unknown';
      /** @enum {string} */
      matchOnWrite: 'honoured' | 'ignored' | 'refused' | 'unknown';
      /** @enum {string} */
      matchOnComplete: 'honoured' | 'ignored' | 'refused' | 'unknown';
      /** @enum {string} */
      matchOnDelete: 'honoured' | 'ignored' | 'refused' | 'unknown';
      /** @enum {string} */
      etagQuotes: 'quoted' | 'unquoted';
      /** @enum {string} */
      contentMd5: 'honoured' | 'ignored' | 'refused' | 'unknown';
      checksums: {
        [key: string]: 'honoured' | 'ignored' | 'refused' | 'unknown';
      };
      returned: (
        'sha512' | 'sha256' | 'sha1' | 'md5' | 'crc64nvme' | 'crc32c' | 'crc32' | 'xxhash128' | 'xxhash3' | 'xxhash64'
      )[];
      /** @enum {string} */
      partNumberReads: 'honoured' | 'ignored' | 'refused' | 'unknown';
      /** @enum {string} */
      tagsOnBegin: 'honoured' | 'ignored' | 'refused' | 'unknown';
      /** @enum {string} */
      sizeOnComplete?: 'honoured' | 'ignored' | 'refused' | 'unknown';
      etagIsMd5?: boolean;
    };
    /** @description A saved bandwidth timetable. */
    Timetable: {
      /** @description Stays the same for ever. */
      id: string;
      /** @description Rises with every change; the ETag is made of it. */
      version: number;
      /** @description ISO 8601 in UTC, such as 2026-03-01T08:00:00.000Z. */
      createdAt: string;
      /** @description Name of whoever made it. */
      createdBy: string;
      /** @description ISO 8601 in UTC, such as 2026-03-01T08:00:00.000Z. */
      updatedAt: string;
      name: string;
      timetable: components['schemas']['BandwidthTimetable'];
      usedBy: {
        jobs: number;
      };
    };
    /** @description One page of a list. */
    TimetablePage: {
      readonly items: components['schemas']['Timetable'][];
      /** @description Give it back as `cursor`; null at the end. */
      nextCursor: string | null;
      /** @description Exact up to 1,000,000; null where it was not asked for. */
      total: number | null;
      /** @description Of the first entry among all, from 0; only where the page was asked for by `at`. */
      position?: number | null;
    };
    /** @description A key for programs; its secret is shown once. */
    Token: {
      /** @description Stays the same for ever. */
      id: string;
      /** @description Rises with every change; the ETag is made of it. */
      version: number;
      /** @description ISO 8601 in UTC, such as 2026-03-01T08:00:00.000Z. */
      createdAt: string;
      /** @description Name of whoever made it. */
      createdBy: string;
      /** @description ISO 8601 in UTC, such as 2026-03-01T08:00:00.000Z. */
      updatedAt: string;
      name: string;
      personId: string;
      personName: string;
      /** @description Never more than that of the person. */
      role: components['schemas']['Role'];
      /** @description null: everything that its role may. */
      scopes:
        | (
            | 'read'
            | 'metrics'
            | 'own-account'
            | 'define'
            | 'run'
            | 'dismiss'
            | 'report'
            | 'connector-test'
            | 'connector-use'
            | 'connector-change'
            | 'people'
            | 'audit'
            | 'fleet'
            | 'definitions-apply'
          )[]
        | null;
      /** @description First characters, to recognize it. */
      prefix: string;
      expiresAt: string | null;
      lastUsedAt: string | null;
    };
    /** @description One page of a list. */
    TokenPage: {
      readonly items: components['schemas']['Token'][];
      /** @description Give it back as `cursor`; null at the end. */
      nextCursor: string | null;
      /** @description Exact up to 1,000,000; null where it was not asked for. */
      total: number | null;
      /** @description Of the first entry among all, from 0; only where the page was asked for by `at`. */
      position?: number | null;
    };
    /** @description Why a run waits or stands still. */
    WaitReason: {
      /** @enum {string} */
      kind: 'limit' | 'workers-busy' | 'target-busy' | 'attention' | 'bandwidth' | 'person' | 'disk' | 'no-worker';
      text: string;
      runId: string | null;
      connectorId: string | null;
    };
    /** @description What of the source is not needed any more, with the commands; Drover never deletes a source. */
    WhatCanGo: {
      title: string;
      detail: string;
      command: string | null;
    }[];
    /** @description A process that works on runs. */
    Worker: {
      /** @description Stays the same for ever. */
      id: string;
      name: string;
      host: string;
      pid: number;
      programVersion: string;
      /** @enum {string} */
      state: 'active' | 'draining' | 'gone';
      /** @description ISO 8601 in UTC, such as 2026-03-01T08:00:00.000Z. */
      startedAt: string;
      /** @description ISO 8601 in UTC, such as 2026-03-01T08:00:00.000Z. */
      seenAt: string;
      runs: number;
      segments: number;
      /** @description Segments it has claimed. */
      claims: number;
      /** @description Claims of what another worker had when it fell silent. */
      takeovers: number;
      /** @description Times it found nothing to claim while others were listing. */
      waits: number;
      /** @description How long it waited for that, together. */
      idleMs: number;
    };
    /** @description All of them. */
    Workers: components['schemas']['Worker'][];
  };
  responses: never;
  parameters: {
    /** @description `nextCursor` of the page before. */
    cursor: string;
    /** @description Instead of a cursor: a page that far down, such as 0.5 for the middle. `total` and `position` come with it. */
    at: number;
    /** @description Entries of a page; 100 unless given. */
    limit: number;
    /** @description A field; `-` before it for descending. */
    sort: string;
    /** @description Words that must occur, in any case. */
    search: string;
    /** @description `true` counts all entries that match. */
    total: boolean;
    /** @description The ETag seen last; refused with EDIT_CONFLICT when it changed. */
    ifMatch: string;
    /** @description Anything unique; the same request sent twice within a day has one effect. */
    idempotencyKey: string;
  };
  requestBodies: never;
  headers: never;
  pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
  getSignInOptions: {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description The ways. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['SignInOptions'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  signIn: {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['SignIn'];
      };
    };
    responses: {
      /** @description Signed in. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Me'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  setUp: {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['SetUp'];
      };
    };
    responses: {
      /** @description Made, and signed in. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Me'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  beginOidc: {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description To the identity provider. */
      302: {
        headers: {
          [name: string]: unknown;
        };
        content?: never;
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  finishOidc: {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description To the web app, signed in. */
      302: {
        headers: {
          [name: string]: unknown;
        };
        content?: never;
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  signOut: {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description Done. */
      204: {
        headers: {
          [name: string]: unknown;
        };
        content?: never;
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  getMe: {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description You. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Me'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  changeOwnPassword: {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['ChangePassword'];
      };
    };
    responses: {
      /** @description Done. */
      204: {
        headers: {
          [name: string]: unknown;
        };
        content?: never;
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  listProviders: {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description All of them. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Providers'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  listConnectors: {
    parameters: {
      query?: {
        /** @description `nextCursor` of the page before. */
        cursor?: components['parameters']['cursor'];
        /** @description Instead of a cursor: a page that far down, such as 0.5 for the middle. `total` and `position` come with it. */
        at?: components['parameters']['at'];
        /** @description Entries of a page; 100 unless given. */
        limit?: components['parameters']['limit'];
        /** @description A field; `-` before it for descending. */
        sort?: components['parameters']['sort'];
        /** @description Words that must occur, in any case. */
        search?: components['parameters']['search'];
        /** @description `true` counts all entries that match. */
        total?: components['parameters']['total'];
        /** @description Any of these values. */
        'filter.provider'?: string[];
        /** @description Any of these values. */
        'filter.health'?: ('untested' | 'healthy' | 'needs-attention')[];
        /** @description Any of these values. */
        'filter.tag'?: string[];
      };
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description A page. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['ConnectorPage'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  authorizeConnector: {
    parameters: {
      query?: never;
      header?: {
        /** @description Anything unique; the same request sent twice within a day has one effect. */
        'Idempotency-Key'?: components['parameters']['idempotencyKey'];
      };
      path?: never;
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['ConnectorInput'];
      };
    };
    responses: {
      /** @description The connector. */
      201: {
        headers: {
          ETag?: string;
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Connector'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  getConnector: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description The connector, without secrets. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Connector'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  removeConnector: {
    parameters: {
      query?: never;
      header?: {
        /** @description The ETag seen last; refused with EDIT_CONFLICT when it changed. */
        'If-Match'?: components['parameters']['ifMatch'];
      };
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description Done. */
      204: {
        headers: {
          [name: string]: unknown;
        };
        content?: never;
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  updateConnector: {
    parameters: {
      query?: never;
      header?: {
        /** @description The ETag seen last; refused with EDIT_CONFLICT when it changed. */
        'If-Match'?: components['parameters']['ifMatch'];
      };
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['ChangeConnector'];
      };
    };
    responses: {
      /** @description The connector. */
      200: {
        headers: {
          ETag?: string;
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Connector'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  reauthorizeConnector: {
    parameters: {
      query?: never;
      header?: {
        /** @description The ETag seen last; refused with EDIT_CONFLICT when it changed. */
        'If-Match'?: components['parameters']['ifMatch'];
      };
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['Reauthorize'];
      };
    };
    responses: {
      /** @description The connector. */
      200: {
        headers: {
          ETag?: string;
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Connector'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  getConnectorUse: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description Endpoints and jobs. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['ConnectorUse'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  checkConnector: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['CheckConnector'];
      };
    };
    responses: {
      /** @description One line per permission, as it is known. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/x-ndjson': components['schemas']['CheckLine'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  checkDraft: {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['CheckDraft'];
      };
    };
    responses: {
      /** @description One line per permission, as it is known. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/x-ndjson': components['schemas']['CheckLine'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  suggestConnector: {
    parameters: {
      query: {
        provider: string;
      };
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description A name that is free, and values that Drover makes. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['ConnectorSuggestion'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  discoverAccounts: {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['DiscoverDraft'];
      };
    };
    responses: {
      /** @description Pages, as they come. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/x-ndjson': components['schemas']['DiscoveredPage'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  browseConnector: {
    parameters: {
      query?: {
        /** @description Bucket, container or root folder; left out: all of them. */
        container?: string;
        /** @description Empty, or ends with a slash. */
        prefix?: string;
      };
      header?: never;
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description Pages, as they come. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/x-ndjson': components['schemas']['BrowsePage'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  makeContainer: {
    parameters: {
      query?: never;
      header?: {
        /** @description Anything unique; the same request sent twice within a day has one effect. */
        'Idempotency-Key'?: components['parameters']['idempotencyKey'];
      };
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['MakeContainer'];
      };
    };
    responses: {
      /** @description Whether it is new. */
      201: {
        headers: {
          ETag?: string;
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['MadeContainer'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  getPolicies: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['PolicyRequest'];
      };
    };
    responses: {
      /** @description Ready to paste. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['PolicyTexts'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  getDraftPolicies: {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['DraftPolicies'];
      };
    };
    responses: {
      /** @description Ready to paste. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['PolicyTexts'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  listInventory: {
    parameters: {
      query?: {
        /** @description `nextCursor` of the page before. */
        cursor?: components['parameters']['cursor'];
        /** @description Instead of a cursor: a page that far down, such as 0.5 for the middle. `total` and `position` come with it. */
        at?: components['parameters']['at'];
        /** @description Entries of a page; 100 unless given. */
        limit?: components['parameters']['limit'];
        /** @description A field; `-` before it for descending. */
        sort?: components['parameters']['sort'];
        /** @description Words that must occur, in any case. */
        search?: components['parameters']['search'];
        /** @description `true` counts all entries that match. */
        total?: components['parameters']['total'];
        /** @description Any of these values. */
        'filter.account'?: string[];
        /** @description Any of these values. */
        'filter.region'?: string[];
        /** @description Any of these values. */
        'filter.state'?: ('seen' | 'gone')[];
      };
      header?: never;
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description A page. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['InventoryItemPage'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  listInventoryAccounts: {
    parameters: {
      query?: {
        /** @description `nextCursor` of the page before. */
        cursor?: components['parameters']['cursor'];
        /** @description Instead of a cursor: a page that far down, such as 0.5 for the middle. `total` and `position` come with it. */
        at?: components['parameters']['at'];
        /** @description Entries of a page; 100 unless given. */
        limit?: components['parameters']['limit'];
        /** @description A field; `-` before it for descending. */
        sort?: components['parameters']['sort'];
        /** @description Words that must occur, in any case. */
        search?: components['parameters']['search'];
        /** @description `true` counts all entries that match. */
        total?: components['parameters']['total'];
        /** @description Any of these values. */
        'filter.state'?: ('seen' | 'failed' | 'gone')[];
      };
      header?: never;
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description A page. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['InventoryAccountPage'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  addAccountConnector: {
    parameters: {
      query?: never;
      header?: {
        /** @description Anything unique; the same request sent twice within a day has one effect. */
        'Idempotency-Key'?: components['parameters']['idempotencyKey'];
      };
      path: {
        /** @description Its id. */
        id: string;
        /** @description Of the cloud account: 12 digits. */
        accountId: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description The connector that was made. */
      201: {
        headers: {
          ETag?: string;
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Connector'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  refreshInventory: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description The connector. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Connector'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  listEndpoints: {
    parameters: {
      query?: {
        /** @description `nextCursor` of the page before. */
        cursor?: components['parameters']['cursor'];
        /** @description Instead of a cursor: a page that far down, such as 0.5 for the middle. `total` and `position` come with it. */
        at?: components['parameters']['at'];
        /** @description Entries of a page; 100 unless given. */
        limit?: components['parameters']['limit'];
        /** @description A field; `-` before it for descending. */
        sort?: components['parameters']['sort'];
        /** @description Words that must occur, in any case. */
        search?: components['parameters']['search'];
        /** @description `true` counts all entries that match. */
        total?: components['parameters']['total'];
        /** @description Any of these values. */
        'filter.kind'?: ('source' | 'target')[];
        /** @description Any of these values. */
        'filter.connectorId'?: string[];
        /** @description Any of these values. */
        'filter.provider'?: string[];
      };
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description A page. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['EndpointPage'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  createEndpoint: {
    parameters: {
      query?: never;
      header?: {
        /** @description Anything unique; the same request sent twice within a day has one effect. */
        'Idempotency-Key'?: components['parameters']['idempotencyKey'];
      };
      path?: never;
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['CreateEndpoint'];
      };
    };
    responses: {
      /** @description The endpoint. */
      201: {
        headers: {
          ETag?: string;
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Endpoint'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  getEndpoint: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description The endpoint. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Endpoint'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  removeEndpoint: {
    parameters: {
      query?: never;
      header?: {
        /** @description The ETag seen last; refused with EDIT_CONFLICT when it changed. */
        'If-Match'?: components['parameters']['ifMatch'];
      };
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description Done. */
      204: {
        headers: {
          [name: string]: unknown;
        };
        content?: never;
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  updateEndpoint: {
    parameters: {
      query?: never;
      header?: {
        /** @description The ETag seen last; refused with EDIT_CONFLICT when it changed. */
        'If-Match'?: components['parameters']['ifMatch'];
      };
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['ChangeDescription'];
      };
    };
    responses: {
      /** @description The endpoint. */
      200: {
        headers: {
          ETag?: string;
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Endpoint'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  listProjects: {
    parameters: {
      query?: {
        /** @description `nextCursor` of the page before. */
        cursor?: components['parameters']['cursor'];
        /** @description Instead of a cursor: a page that far down, such as 0.5 for the middle. `total` and `position` come with it. */
        at?: components['parameters']['at'];
        /** @description Entries of a page; 100 unless given. */
        limit?: components['parameters']['limit'];
        /** @description A field; `-` before it for descending. */
        sort?: components['parameters']['sort'];
        /** @description Words that must occur, in any case. */
        search?: components['parameters']['search'];
        /** @description `true` counts all entries that match. */
        total?: components['parameters']['total'];
      };
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description A page. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['ProjectPage'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  createProject: {
    parameters: {
      query?: never;
      header?: {
        /** @description Anything unique; the same request sent twice within a day has one effect. */
        'Idempotency-Key'?: components['parameters']['idempotencyKey'];
      };
      path?: never;
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['CreateProject'];
      };
    };
    responses: {
      /** @description The project. */
      201: {
        headers: {
          ETag?: string;
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Project'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  getProject: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description The project. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Project'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  removeProject: {
    parameters: {
      query: {
        /** @description true: also while runs may have left uploads unfinished at a target, which nobody ends any more then. */
        forgetUploads?: 'true' | 'false';
        /** @description As shown to the person; refused when it is another. */
        expectedJobs: number;
      };
      header?: {
        /** @description The ETag seen last; refused with EDIT_CONFLICT when it changed. */
        'If-Match'?: components['parameters']['ifMatch'];
      };
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description Done. */
      204: {
        headers: {
          [name: string]: unknown;
        };
        content?: never;
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  updateProject: {
    parameters: {
      query?: never;
      header?: {
        /** @description The ETag seen last; refused with EDIT_CONFLICT when it changed. */
        'If-Match'?: components['parameters']['ifMatch'];
      };
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['ChangeDescription'];
      };
    };
    responses: {
      /** @description The project. */
      200: {
        headers: {
          ETag?: string;
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Project'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  getProjectRemoval: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description Counts. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['ProjectRemoval'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  listJobs: {
    parameters: {
      query?: {
        /** @description `nextCursor` of the page before. */
        cursor?: components['parameters']['cursor'];
        /** @description Instead of a cursor: a page that far down, such as 0.5 for the middle. `total` and `position` come with it. */
        at?: components['parameters']['at'];
        /** @description Entries of a page; 100 unless given. */
        limit?: components['parameters']['limit'];
        /** @description A field; `-` before it for descending. */
        sort?: components['parameters']['sort'];
        /** @description Words that must occur, in any case. */
        search?: components['parameters']['search'];
        /** @description `true` counts all entries that match. */
        total?: components['parameters']['total'];
        /** @description Any of these values. */
        'filter.projectId'?: string[];
        /** @description Any of these values. */
        'filter.type'?: ('cloud-to-cloud' | 'folder-to-cloud' | 'cloud-to-folder' | 'folder-to-folder')[];
        /** @description Any of these values. */
        'filter.state'?: (
          | 'queued'
          | 'running'
          | 'pausing'
          | 'paused'
          | 'cancelling'
          | 'cancelled'
          | 'failed'
          | 'succeeded'
          | 'completed-with-issues'
        )[];
        /** @description Any of these values. */
        'filter.endpointId'?: string[];
      };
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description A page. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['JobPage'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  createJob: {
    parameters: {
      query?: never;
      header?: {
        /** @description Anything unique; the same request sent twice within a day has one effect. */
        'Idempotency-Key'?: components['parameters']['idempotencyKey'];
      };
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['JobInput'];
      };
    };
    responses: {
      /** @description The job. */
      201: {
        headers: {
          ETag?: string;
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Job'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  getJob: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description The job. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Job'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  removeJob: {
    parameters: {
      query?: {
        /** @description true: also while runs may have left uploads unfinished at a target, which nobody ends any more then. */
        forgetUploads?: 'true' | 'false';
        /** @description As shown to the person; refused when it is another. Left out: whatever they are. */
        expectedRuns?: number;
      };
      header?: {
        /** @description The ETag seen last; refused with EDIT_CONFLICT when it changed. */
        'If-Match'?: components['parameters']['ifMatch'];
      };
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description Done. */
      204: {
        headers: {
          [name: string]: unknown;
        };
        content?: never;
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  updateJob: {
    parameters: {
      query?: never;
      header?: {
        /** @description The ETag seen last; refused with EDIT_CONFLICT when it changed. */
        'If-Match'?: components['parameters']['ifMatch'];
      };
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['ChangeJob'];
      };
    };
    responses: {
      /** @description The job. */
      200: {
        headers: {
          ETag?: string;
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Job'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  getJobRemoval: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description Counts. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['JobRemoval'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  duplicateJob: {
    parameters: {
      query?: never;
      header?: {
        /** @description Anything unique; the same request sent twice within a day has one effect. */
        'Idempotency-Key'?: components['parameters']['idempotencyKey'];
      };
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['DuplicateJob'];
      };
    };
    responses: {
      /** @description The new job. */
      201: {
        headers: {
          ETag?: string;
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Job'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  getOutcomes: {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['OutcomesInput'];
      };
    };
    responses: {
      /** @description For this very pair and these settings. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Concessions'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  checkJob: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['PreflightInput'];
      };
    };
    responses: {
      /** @description Whether it could start, and what to grant. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Preflight'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  grantRole: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['GrantInput'];
      };
    };
    responses: {
      /** @description How it is now. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Preflight'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  getWhatCanGo: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description With the exact commands. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['WhatCanGo'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  getOverview: {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description As of now. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Overview'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  listDismissals: {
    parameters: {
      query?: {
        /** @description `nextCursor` of the page before. */
        cursor?: components['parameters']['cursor'];
        /** @description Instead of a cursor: a page that far down, such as 0.5 for the middle. `total` and `position` come with it. */
        at?: components['parameters']['at'];
        /** @description Entries of a page; 100 unless given. */
        limit?: components['parameters']['limit'];
        /** @description A field; `-` before it for descending. */
        sort?: components['parameters']['sort'];
        /** @description Words that must occur, in any case. */
        search?: components['parameters']['search'];
        /** @description `true` counts all entries that match. */
        total?: components['parameters']['total'];
        /** @description Any of these values. */
        'filter.kind'?: ('connector' | 'run' | 'schedule' | 'subscription' | 'worker' | 'artifact')[];
      };
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description A page. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['DismissalPage'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  dismiss: {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['Dismiss'];
      };
    };
    responses: {
      /** @description As it was dismissed. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Dismissal'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  getDismissal: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description As it was dismissed. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Dismissal'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  removeDismissal: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description Done. */
      204: {
        headers: {
          [name: string]: unknown;
        };
        content?: never;
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  listRuns: {
    parameters: {
      query?: {
        /** @description `nextCursor` of the page before. */
        cursor?: components['parameters']['cursor'];
        /** @description Instead of a cursor: a page that far down, such as 0.5 for the middle. `total` and `position` come with it. */
        at?: components['parameters']['at'];
        /** @description Entries of a page; 100 unless given. */
        limit?: components['parameters']['limit'];
        /** @description A field; `-` before it for descending. */
        sort?: components['parameters']['sort'];
        /** @description Words that must occur, in any case. */
        search?: components['parameters']['search'];
        /** @description `true` counts all entries that match. */
        total?: components['parameters']['total'];
        /** @description Any of these values. */
        'filter.id'?: string[];
        /** @description Any of these values. */
        'filter.state'?: (
          | 'queued'
          | 'running'
          | 'pausing'
          | 'paused'
          | 'cancelling'
          | 'cancelled'
          | 'failed'
          | 'succeeded'
          | 'completed-with-issues'
        )[];
        /** @description Any of these values. */
        'filter.kind'?: ('transfer' | 'dry-run' | 'validate' | 'retry')[];
        /** @description Any of these values. */
        'filter.trigger'?: ('person' | 'token' | 'schedule')[];
        /** @description Any of these values. */
        'filter.projectId'?: string[];
        /** @description Any of these values. */
        'filter.jobId'?: string[];
        /** @description Any of these values. */
        'filter.connectorId'?: string[];
        /** @description Any of these values. */
        'filter.from'?: string[];
        /** @description Any of these values. */
        'filter.to'?: string[];
      };
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description A page. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['RunPage'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  startRun: {
    parameters: {
      query?: never;
      header?: {
        /** @description Anything unique; the same request sent twice within a day has one effect. */
        'Idempotency-Key'?: components['parameters']['idempotencyKey'];
      };
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['StartRun'];
      };
    };
    responses: {
      /** @description The run, and what looked wrong before it. */
      201: {
        headers: {
          ETag?: string;
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Run'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  startRuns: {
    parameters: {
      query?: never;
      header?: {
        /** @description Anything unique; the same request sent twice within a day has one effect. */
        'Idempotency-Key'?: components['parameters']['idempotencyKey'];
      };
      path?: never;
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['StartJobs'];
      };
    };
    responses: {
      /** @description One line for each job. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/x-ndjson': components['schemas']['ManyOutcome'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  getRun: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        /** @description Id of the run. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description The run. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Run'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  removeRun: {
    parameters: {
      query?: {
        /** @description true: also while runs may have left uploads unfinished at a target, which nobody ends any more then. */
        forgetUploads?: 'true' | 'false';
      };
      header?: never;
      path: {
        /** @description Id of the run. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description Done. */
      204: {
        headers: {
          [name: string]: unknown;
        };
        content?: never;
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  pauseRun: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        /** @description Id of the run. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description The run. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Run'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  resumeRun: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        /** @description Id of the run. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description The run. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Run'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  cancelRun: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        /** @description Id of the run. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description The run. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Run'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  changeRuns: {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['RunActions'];
      };
    };
    responses: {
      /** @description How many. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['ChangedCount'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  getRunSnapshot: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        /** @description Id of the run. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description Settings, places, tuning. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['RunSnapshot'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  listSegments: {
    parameters: {
      query?: {
        /** @description `nextCursor` of the page before. */
        cursor?: components['parameters']['cursor'];
        /** @description Instead of a cursor: a page that far down, such as 0.5 for the middle. `total` and `position` come with it. */
        at?: components['parameters']['at'];
        /** @description Entries of a page; 100 unless given. */
        limit?: components['parameters']['limit'];
        /** @description A field; `-` before it for descending. */
        sort?: components['parameters']['sort'];
        /** @description Words that must occur, in any case. */
        search?: components['parameters']['search'];
        /** @description `true` counts all entries that match. */
        total?: components['parameters']['total'];
        /** @description Any of these values. */
        'filter.state'?: ('open' | 'held' | 'done')[];
        /** @description Any of these values. */
        'filter.kind'?: ('keys' | 'mapped' | 'restores' | 'deletes' | 'settle')[];
      };
      header?: never;
      path: {
        /** @description Id of the run. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description A page. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['RunSegmentPage'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  listRunWorkers: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        /** @description Id of the run. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description All of them. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['RunWorkers'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  getRunMap: {
    parameters: {
      query?: {
        /** @description 240 unless given. */
        cells?: number;
      };
      header?: never;
      path: {
        /** @description Id of the run. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description In key order. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['RunMap'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  listRunItems: {
    parameters: {
      query?: {
        /** @description `nextCursor` of the page before. */
        cursor?: components['parameters']['cursor'];
        /** @description Instead of a cursor: a page that far down, such as 0.5 for the middle. `total` and `position` come with it. */
        at?: components['parameters']['at'];
        /** @description Entries of a page; 100 unless given. */
        limit?: components['parameters']['limit'];
        /** @description A field; `-` before it for descending. */
        sort?: components['parameters']['sort'];
        /** @description Words that must occur, in any case. */
        search?: components['parameters']['search'];
        /** @description `true` counts all entries that match. */
        total?: components['parameters']['total'];
        /** @description Any of these values. */
        'filter.result'?: (
          | 'copied'
          | 'same'
          | 'excluded'
          | 'skipped'
          | 'unsupported'
          | 'failed'
          | 'deleted'
          | 'missing'
          | 'extra'
          | 'different'
        )[];
        /** @description Any of these values. */
        'filter.code'?: (
          | 'USAGE'
          | 'INVALID_INPUT'
          | 'CONNECTOR_NOT_FOUND'
          | 'PLACE_NOT_FOUND'
          | 'SOURCE_NOT_FOUND'
          | 'PLACES_OVERLAP'
          | 'ALREADY_EXISTS'
          | 'NOT_FOUND'
          | 'CHANGED'
          | 'UNREPRESENTABLE'
          | 'TOO_LARGE'
          | 'UNSUPPORTED'
          | 'ARCHIVED'
          | 'UNAUTHENTICATED'
          | 'CREDENTIALS_EXPIRED'
          | 'PERMISSION_DENIED'
          | 'QUOTA_EXCEEDED'
          | 'DISK_FULL'
          | 'THROTTLED'
          | 'UNAVAILABLE'
          | 'UNREACHABLE'
          | 'TIMED_OUT'
          | 'EARLY_END'
          | 'EXTRA_BYTES'
          | 'CORRUPTED'
          | 'WRONG_REGION'
          | 'CLOCK_SKEW'
          | 'LISTING_INCOMPLETE'
          | 'LISTING_DISORDERED'
          | 'UPLOAD_LOST'
          | 'GUARD_EMPTY_SOURCE'
          | 'GUARD_DELETE_CAP'
          | 'GUARD_BUSY'
          | 'GUARD_CONFIRM'
          | 'LEASE_LOST'
          | 'CANCELLED'
          | 'ENTITY_NOT_FOUND'
          | 'IN_USE'
          | 'FIXED_FIELD'
          | 'EDIT_CONFLICT'
          | 'COUNT_CHANGED'
          | 'WRONG_STATE'
          | 'PREFLIGHT_FAILED'
          | 'NOT_SIGNED_IN'
          | 'FORBIDDEN'
          | 'RATE_LIMITED'
          | 'UNSAFE_ADDRESS'
          | 'DATABASE_UNAVAILABLE'
          | 'DATABASE_UNUSABLE'
          | 'DATABASE_MISMATCH'
          | 'VERSION_MISMATCH'
          | 'ARTIFACTS_NOT_SHARED'
          | 'MASTER_KEY_WRONG'
          | 'SERVER_BUSY'
          | 'INTERNAL'
          | 'absent'
          | 'changed'
          | 'restored'
          | 'hidden-version'
          | 'same-snapshot'
          | 'same-digest'
          | 'same-recorded'
          | 'same-size-and-time'
          | 'same-size'
          | 'same-folder'
          | 'properties-refreshed'
          | 'excluded'
          | 'deleted-at-source'
          | 'target-newer'
          | 'missing'
          | 'different'
          | 'extra'
          | 'source-unread'
          | 'dry-run'
          | 'not-at-source'
          | 'absent-already'
        )[];
      };
      header?: never;
      path: {
        /** @description Id of the run. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description A page. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['RunItemPage'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  getRunCodes: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        /** @description Id of the run. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description Most first. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['CodeCounts'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  getCodes: {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description Most first. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['CodeCounts'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  listRunLog: {
    parameters: {
      query?: {
        /** @description `nextCursor` of the page before. */
        cursor?: components['parameters']['cursor'];
        /** @description Instead of a cursor: a page that far down, such as 0.5 for the middle. `total` and `position` come with it. */
        at?: components['parameters']['at'];
        /** @description Entries of a page; 100 unless given. */
        limit?: components['parameters']['limit'];
        /** @description A field; `-` before it for descending. */
        sort?: components['parameters']['sort'];
        /** @description Words that must occur, in any case. */
        search?: components['parameters']['search'];
        /** @description `true` counts all entries that match. */
        total?: components['parameters']['total'];
        /** @description Any of these values. */
        'filter.level'?: ('info' | 'warn' | 'error')[];
      };
      header?: never;
      path: {
        /** @description Id of the run. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description A page. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['RunLogLinePage'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  downloadRunLog: {
    parameters: {
      query?: {
        /** @description A field; `-` before it for descending. */
        sort?: string;
        /** @description Words that must occur, in any case. */
        search?: string;
        /** @description csv unless given; ndjson: one JSON object per line. */
        format?: 'csv' | 'ndjson';
        /** @description Any of these values. */
        'filter.level'?: ('info' | 'warn' | 'error')[];
      };
      header?: {
        /** @description One range of bytes. */
        Range?: string;
      };
      path: {
        /** @description Id of the run. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description CSV or NDJSON, as it is read. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/octet-stream': string;
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  getReportKey: {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description The same one for the life of this installation. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['ReportKey'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  listAllArtifacts: {
    parameters: {
      query?: {
        /** @description `nextCursor` of the page before. */
        cursor?: components['parameters']['cursor'];
        /** @description Instead of a cursor: a page that far down, such as 0.5 for the middle. `total` and `position` come with it. */
        at?: components['parameters']['at'];
        /** @description Entries of a page; 100 unless given. */
        limit?: components['parameters']['limit'];
        /** @description A field; `-` before it for descending. */
        sort?: components['parameters']['sort'];
        /** @description Words that must occur, in any case. */
        search?: components['parameters']['search'];
        /** @description `true` counts all entries that match. */
        total?: components['parameters']['total'];
        /** @description Any of these values. */
        'filter.runId'?: string[];
        /** @description Any of these values. */
        'filter.jobId'?: string[];
        /** @description Any of these values. */
        'filter.kind'?: ('copy-log-csv' | 'copy-log-ndjson' | 'report-html' | 'report-json' | 'manifest')[];
        /** @description Any of these values. */
        'filter.state'?: ('pending' | 'ready' | 'failed' | 'expired')[];
      };
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description A page. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['ArtifactPage'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  listArtifacts: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        /** @description Id of the run. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description All of them, newest first. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Artifacts'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  requestArtifact: {
    parameters: {
      query?: never;
      header?: {
        /** @description Anything unique; the same request sent twice within a day has one effect. */
        'Idempotency-Key'?: components['parameters']['idempotencyKey'];
      };
      path: {
        /** @description Id of the run. */
        id: string;
      };
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['ArtifactInput'];
      };
    };
    responses: {
      /** @description It is pending until it is ready. */
      201: {
        headers: {
          ETag?: string;
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Artifact'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  getArtifact: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description The file. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Artifact'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  removeArtifact: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description Done. */
      204: {
        headers: {
          [name: string]: unknown;
        };
        content?: never;
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  retryArtifact: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description It is pending until it is ready. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Artifact'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  downloadArtifact: {
    parameters: {
      query?: never;
      header?: {
        /** @description One range of bytes. */
        Range?: string;
      };
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description The file; single byte ranges are honored. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/octet-stream': string;
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  listSchedules: {
    parameters: {
      query?: {
        /** @description `nextCursor` of the page before. */
        cursor?: components['parameters']['cursor'];
        /** @description Instead of a cursor: a page that far down, such as 0.5 for the middle. `total` and `position` come with it. */
        at?: components['parameters']['at'];
        /** @description Entries of a page; 100 unless given. */
        limit?: components['parameters']['limit'];
        /** @description A field; `-` before it for descending. */
        sort?: components['parameters']['sort'];
        /** @description Words that must occur, in any case. */
        search?: components['parameters']['search'];
        /** @description `true` counts all entries that match. */
        total?: components['parameters']['total'];
        /** @description Any of these values. */
        'filter.jobId'?: string[];
        /** @description Any of these values. */
        'filter.projectId'?: string[];
        /** @description Any of these values. */
        'filter.enabled'?: ('true' | 'false')[];
      };
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description A page. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['SchedulePage'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  createSchedule: {
    parameters: {
      query?: never;
      header?: {
        /** @description Anything unique; the same request sent twice within a day has one effect. */
        'Idempotency-Key'?: components['parameters']['idempotencyKey'];
      };
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['ScheduleInput'];
      };
    };
    responses: {
      /** @description The schedule. */
      201: {
        headers: {
          ETag?: string;
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Schedule'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  previewSchedule: {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['PreviewSchedule'];
      };
    };
    responses: {
      /** @description The next moments. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['PreviewTimes'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  getSchedule: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description The schedule. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Schedule'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  removeSchedule: {
    parameters: {
      query?: never;
      header?: {
        /** @description The ETag seen last; refused with EDIT_CONFLICT when it changed. */
        'If-Match'?: components['parameters']['ifMatch'];
      };
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description Done. */
      204: {
        headers: {
          [name: string]: unknown;
        };
        content?: never;
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  updateSchedule: {
    parameters: {
      query?: never;
      header?: {
        /** @description The ETag seen last; refused with EDIT_CONFLICT when it changed. */
        'If-Match'?: components['parameters']['ifMatch'];
      };
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['ChangeSchedule'];
      };
    };
    responses: {
      /** @description The schedule. */
      200: {
        headers: {
          ETag?: string;
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Schedule'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  switchSchedules: {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['SwitchSchedules'];
      };
    };
    responses: {
      /** @description One line for each schedule. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/x-ndjson': components['schemas']['ManyOutcome'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  enableSchedule: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description The schedule. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Schedule'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  disableSchedule: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description The schedule. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Schedule'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  listScheduleEvents: {
    parameters: {
      query?: {
        /** @description `nextCursor` of the page before. */
        cursor?: components['parameters']['cursor'];
        /** @description Instead of a cursor: a page that far down, such as 0.5 for the middle. `total` and `position` come with it. */
        at?: components['parameters']['at'];
        /** @description Entries of a page; 100 unless given. */
        limit?: components['parameters']['limit'];
        /** @description A field; `-` before it for descending. */
        sort?: components['parameters']['sort'];
        /** @description Words that must occur, in any case. */
        search?: components['parameters']['search'];
        /** @description `true` counts all entries that match. */
        total?: components['parameters']['total'];
      };
      header?: never;
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description A page. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['ScheduleEventPage'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  listTimetables: {
    parameters: {
      query?: {
        /** @description `nextCursor` of the page before. */
        cursor?: components['parameters']['cursor'];
        /** @description Instead of a cursor: a page that far down, such as 0.5 for the middle. `total` and `position` come with it. */
        at?: components['parameters']['at'];
        /** @description Entries of a page; 100 unless given. */
        limit?: components['parameters']['limit'];
        /** @description A field; `-` before it for descending. */
        sort?: components['parameters']['sort'];
        /** @description Words that must occur, in any case. */
        search?: components['parameters']['search'];
        /** @description `true` counts all entries that match. */
        total?: components['parameters']['total'];
      };
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description A page. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['TimetablePage'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  createTimetable: {
    parameters: {
      query?: never;
      header?: {
        /** @description Anything unique; the same request sent twice within a day has one effect. */
        'Idempotency-Key'?: components['parameters']['idempotencyKey'];
      };
      path?: never;
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['CreateTimetable'];
      };
    };
    responses: {
      /** @description The timetable. */
      201: {
        headers: {
          ETag?: string;
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Timetable'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  getTimetable: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description The timetable. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Timetable'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  removeTimetable: {
    parameters: {
      query?: never;
      header?: {
        /** @description The ETag seen last; refused with EDIT_CONFLICT when it changed. */
        'If-Match'?: components['parameters']['ifMatch'];
      };
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description Done. */
      204: {
        headers: {
          [name: string]: unknown;
        };
        content?: never;
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  updateTimetable: {
    parameters: {
      query?: never;
      header?: {
        /** @description The ETag seen last; refused with EDIT_CONFLICT when it changed. */
        'If-Match'?: components['parameters']['ifMatch'];
      };
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['ChangeTimetable'];
      };
    };
    responses: {
      /** @description The timetable. */
      200: {
        headers: {
          ETag?: string;
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Timetable'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  listSubscriptions: {
    parameters: {
      query?: {
        /** @description `nextCursor` of the page before. */
        cursor?: components['parameters']['cursor'];
        /** @description Instead of a cursor: a page that far down, such as 0.5 for the middle. `total` and `position` come with it. */
        at?: components['parameters']['at'];
        /** @description Entries of a page; 100 unless given. */
        limit?: components['parameters']['limit'];
        /** @description A field; `-` before it for descending. */
        sort?: components['parameters']['sort'];
        /** @description Words that must occur, in any case. */
        search?: components['parameters']['search'];
        /** @description `true` counts all entries that match. */
        total?: components['parameters']['total'];
        /** @description Any of these values. */
        'filter.kind'?: ('webhook' | 'email')[];
      };
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description A page. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['SubscriptionPage'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  createSubscription: {
    parameters: {
      query?: never;
      header?: {
        /** @description Anything unique; the same request sent twice within a day has one effect. */
        'Idempotency-Key'?: components['parameters']['idempotencyKey'];
      };
      path?: never;
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['SubscriptionInput'];
      };
    };
    responses: {
      /** @description The subscription. */
      201: {
        headers: {
          ETag?: string;
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['MadeSubscription'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  getSubscription: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description The subscription. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Subscription'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  removeSubscription: {
    parameters: {
      query?: never;
      header?: {
        /** @description The ETag seen last; refused with EDIT_CONFLICT when it changed. */
        'If-Match'?: components['parameters']['ifMatch'];
      };
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description Done. */
      204: {
        headers: {
          [name: string]: unknown;
        };
        content?: never;
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  updateSubscription: {
    parameters: {
      query?: never;
      header?: {
        /** @description The ETag seen last; refused with EDIT_CONFLICT when it changed. */
        'If-Match'?: components['parameters']['ifMatch'];
      };
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['ChangeSubscription'];
      };
    };
    responses: {
      /** @description The subscription. */
      200: {
        headers: {
          ETag?: string;
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Subscription'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  testSubscription: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description How it went. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Delivery'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  listDeliveries: {
    parameters: {
      query?: {
        /** @description `nextCursor` of the page before. */
        cursor?: components['parameters']['cursor'];
        /** @description Instead of a cursor: a page that far down, such as 0.5 for the middle. `total` and `position` come with it. */
        at?: components['parameters']['at'];
        /** @description Entries of a page; 100 unless given. */
        limit?: components['parameters']['limit'];
        /** @description A field; `-` before it for descending. */
        sort?: components['parameters']['sort'];
        /** @description Words that must occur, in any case. */
        search?: components['parameters']['search'];
        /** @description `true` counts all entries that match. */
        total?: components['parameters']['total'];
        /** @description Any of these values. */
        'filter.state'?: ('pending' | 'delivered' | 'failed')[];
      };
      header?: never;
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description A page. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['DeliveryPage'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  retryDeliveries: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description So many messages. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['ChangedCount'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  exportDefinitions: {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['ExportDefinitions'];
      };
    };
    responses: {
      /** @description The document. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['DefinitionDocument'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  planDefinitions: {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['PlanDefinitions'];
      };
    };
    responses: {
      /** @description The plan; nothing was changed. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['DefinitionPlan'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  applyDefinitions: {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['ApplyDefinitions'];
      };
    };
    responses: {
      /** @description What was done. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['DefinitionPlan'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  getSamples: {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description What was made. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Samples'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  createSamples: {
    parameters: {
      query?: never;
      header?: {
        /** @description Anything unique; the same request sent twice within a day has one effect. */
        'Idempotency-Key'?: components['parameters']['idempotencyKey'];
      };
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description What was made. */
      201: {
        headers: {
          ETag?: string;
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Samples'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  removeSamples: {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description Done. */
      204: {
        headers: {
          [name: string]: unknown;
        };
        content?: never;
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  listPeople: {
    parameters: {
      query?: {
        /** @description `nextCursor` of the page before. */
        cursor?: components['parameters']['cursor'];
        /** @description Instead of a cursor: a page that far down, such as 0.5 for the middle. `total` and `position` come with it. */
        at?: components['parameters']['at'];
        /** @description Entries of a page; 100 unless given. */
        limit?: components['parameters']['limit'];
        /** @description A field; `-` before it for descending. */
        sort?: components['parameters']['sort'];
        /** @description Words that must occur, in any case. */
        search?: components['parameters']['search'];
        /** @description `true` counts all entries that match. */
        total?: components['parameters']['total'];
        /** @description Any of these values. */
        'filter.role'?: ('viewer' | 'operator' | 'admin')[];
        /** @description Any of these values. */
        'filter.state'?: ('active' | 'disabled')[];
        /** @description Any of these values. */
        'filter.signIn'?: ('password' | 'oidc')[];
        /** @description Any of these values. */
        'filter.email'?: string[];
      };
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description A page. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['PersonPage'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  createPerson: {
    parameters: {
      query?: never;
      header?: {
        /** @description Anything unique; the same request sent twice within a day has one effect. */
        'Idempotency-Key'?: components['parameters']['idempotencyKey'];
      };
      path?: never;
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['CreatePerson'];
      };
    };
    responses: {
      /** @description The person. */
      201: {
        headers: {
          ETag?: string;
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Person'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  getPerson: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description The person. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Person'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  removePerson: {
    parameters: {
      query?: never;
      header?: {
        /** @description The ETag seen last; refused with EDIT_CONFLICT when it changed. */
        'If-Match'?: components['parameters']['ifMatch'];
      };
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description Done. */
      204: {
        headers: {
          [name: string]: unknown;
        };
        content?: never;
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  updatePerson: {
    parameters: {
      query?: never;
      header?: {
        /** @description The ETag seen last; refused with EDIT_CONFLICT when it changed. */
        'If-Match'?: components['parameters']['ifMatch'];
      };
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['ChangePerson'];
      };
    };
    responses: {
      /** @description The person. */
      200: {
        headers: {
          ETag?: string;
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Person'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  listTokens: {
    parameters: {
      query?: {
        /** @description `nextCursor` of the page before. */
        cursor?: components['parameters']['cursor'];
        /** @description Instead of a cursor: a page that far down, such as 0.5 for the middle. `total` and `position` come with it. */
        at?: components['parameters']['at'];
        /** @description Entries of a page; 100 unless given. */
        limit?: components['parameters']['limit'];
        /** @description A field; `-` before it for descending. */
        sort?: components['parameters']['sort'];
        /** @description Words that must occur, in any case. */
        search?: components['parameters']['search'];
        /** @description `true` counts all entries that match. */
        total?: components['parameters']['total'];
        /** @description Any of these values. */
        'filter.personId'?: string[];
        /** @description Any of these values. */
        'filter.role'?: ('viewer' | 'operator' | 'admin')[];
      };
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description A page. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['TokenPage'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  createToken: {
    parameters: {
      query?: never;
      header?: {
        /** @description Anything unique; the same request sent twice within a day has one effect. */
        'Idempotency-Key'?: components['parameters']['idempotencyKey'];
      };
      path?: never;
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['CreateToken'];
      };
    };
    responses: {
      /** @description The token and its secret. */
      201: {
        headers: {
          ETag?: string;
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['MadeToken'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  getToken: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description The token. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Token'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  removeToken: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description Done. */
      204: {
        headers: {
          [name: string]: unknown;
        };
        content?: never;
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  listAudit: {
    parameters: {
      query?: {
        /** @description `nextCursor` of the page before. */
        cursor?: components['parameters']['cursor'];
        /** @description Instead of a cursor: a page that far down, such as 0.5 for the middle. `total` and `position` come with it. */
        at?: components['parameters']['at'];
        /** @description Entries of a page; 100 unless given. */
        limit?: components['parameters']['limit'];
        /** @description A field; `-` before it for descending. */
        sort?: components['parameters']['sort'];
        /** @description Words that must occur, in any case. */
        search?: components['parameters']['search'];
        /** @description `true` counts all entries that match. */
        total?: components['parameters']['total'];
        /** @description Any of these values. */
        'filter.action'?: string[];
        /** @description Any of these values. */
        'filter.entityKind'?: string[];
        /** @description Any of these values. */
        'filter.entityId'?: string[];
        /** @description Any of these values. */
        'filter.personId'?: string[];
      };
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description A page. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['AuditLinePage'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  downloadAudit: {
    parameters: {
      query?: {
        /** @description A field; `-` before it for descending. */
        sort?: string;
        /** @description Words that must occur, in any case. */
        search?: string;
        /** @description csv unless given; ndjson: one JSON object per line. */
        format?: 'csv' | 'ndjson';
        /** @description Any of these values. */
        'filter.action'?: string[];
        /** @description Any of these values. */
        'filter.entityKind'?: string[];
        /** @description Any of these values. */
        'filter.entityId'?: string[];
        /** @description Any of these values. */
        'filter.personId'?: string[];
      };
      header?: {
        /** @description One range of bytes. */
        Range?: string;
      };
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description CSV or NDJSON, as it is read. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/octet-stream': string;
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  listWorkers: {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description All of them. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Workers'];
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  drainWorker: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        /** @description Its id. */
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description Done. */
      204: {
        headers: {
          [name: string]: unknown;
        };
        content?: never;
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  followEvents: {
    parameters: {
      query: {
        /** @description Separated by commas: runs, run, run-log, run-map, connectors, endpoints, projects, jobs, schedules, timetables, artifacts, subscriptions, workers, people; run, run-log and run-map with an id: run:ID. */
        topics: string;
      };
      header?: {
        /** @description The last event that was received. */
        'Last-Event-ID'?: string;
      };
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description Ends when the session does. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'text/event-stream': string;
        };
      };
      /** @description What went wrong. */
      default: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
}
