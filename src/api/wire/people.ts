/** People, tokens and signing in. */
import { z } from 'zod';
import { RIGHTS, type Right } from '../../control/people/roles.ts';
import type { Actor, Person, Role, Token } from '../../control/entities.ts';
import type { People, Tokens } from '../../control/services.ts';
import { givenTime, kept, name, timeOrNull } from './common.ts';
import { exactly, named } from './wire.ts';

export const role = named<Role>()(
  'Role',
  'viewer sees, operator also defines and runs transfers, admin may do everything.',
  z.enum(['viewer', 'operator', 'admin']),
);

const email = z.string().trim().max(254).describe('An e-mail address; compared without case.');
const password = z.string().max(1_024).describe('At least 12 characters, not the e-mail address.');

export const person = named<Person>()(
  'Person',
  'Somebody who can sign in.',
  z.object({
    ...kept,
    email: z.string(),
    name: z.string(),
    role,
    state: z.enum(['active', 'disabled']),
    signIn: z.enum(['password', 'oidc']).describe('How this person signs in.'),
    lastSignInAt: timeOrNull,
  }),
);

type CreatePerson = Parameters<People['create']>[1];
export const createPerson = named<CreatePerson>()(
  'CreatePerson',
  'A new person.',
  z.strictObject({
    email,
    name: z.string().trim().max(200).describe('As it is shown.'),
    role,
    password: password.nullable().describe('null: signs in by OIDC.'),
  }),
);

type ChangePerson = Parameters<People['update']>[3];
export const changePerson = named<ChangePerson>()(
  'ChangePerson',
  'What changes; everything else stays.',
  z.strictObject({
    name: z.string().trim().max(200).optional(),
    role: role.optional(),
    state: z.enum(['active', 'disabled']).optional().describe('A disabled person is signed out everywhere.'),
    password: password.optional().describe('A new one, without knowing the old one. Ends all sessions.'),
    endTokens: z
      .boolean()
      .optional()
      .describe(
        "End this person's tokens too. true unless given, where a password is given or the person is disabled.",
      ),
  }),
);

type ChangePassword = Parameters<People['changePassword']>[1];
export const changePassword = named<ChangePassword>()(
  'ChangePassword',
  'The own password.',
  z.strictObject({
    current: z.string().max(1_024),
    next: password,
    endTokens: z.boolean().optional().describe('End the own tokens too; false unless given.'),
  }),
);

const scopes = z.array(z.enum(RIGHTS as readonly [Right, ...Right[]])).max(RIGHTS.length);

export const token = named<Token>()(
  'Token',
  'A key for programs; its secret is shown once.',
  z.object({
    ...kept,
    name: z.string(),
    personId: z.string(),
    personName: z.string(),
    role: role.describe('Never more than that of the person.'),
    scopes: scopes.nullable().describe('null: everything that its role may.'),
    prefix: z.string().describe('First characters, to recognize it.'),
    expiresAt: timeOrNull,
    lastUsedAt: timeOrNull,
  }),
);

type CreateToken = Parameters<Tokens['create']>[1];
export const createToken = named<CreateToken>()(
  'CreateToken',
  'A new token.',
  z.strictObject({
    name,
    role,
    scopes: scopes.nullable().optional().describe('All that it may, as far as its role may it; left out: all of that.'),
    expiresAt: givenTime.nullable().describe('null: never.'),
  }),
);

type MadeToken = Awaited<ReturnType<Tokens['create']>>;
export const madeToken = named<MadeToken>()(
  'MadeToken',
  'A token and its secret.',
  z.object({ token, secret: z.string().describe('Shown this once; send it as `Authorization: Bearer …`.') }),
);

export interface SignInOptions {
  readonly needsSetup: boolean;
  readonly oidcTitle: string | null;
  readonly cookies: 'kept' | 'refused';
  readonly programVersion: string | null;
}

export const signInOptions = named<SignInOptions>()(
  'SignInOptions',
  'How one can sign in here.',
  z.object({
    needsSetup: z.boolean().describe('There is no administrator yet.'),
    oidcTitle: z.string().nullable().describe('Name of the identity provider, where one is configured.'),
    cookies: z
      .enum(['kept', 'refused'])
      .describe('refused: plain HTTP from another machine; a browser would not stay signed in.'),
    programVersion: z.string().nullable().describe('Only until set-up is done.'),
  }),
);

export interface SignInInput {
  readonly email: string;
  readonly password: string;
}
export const signInInput = named<SignInInput>()(
  'SignIn',
  'E-mail and password.',
  z.strictObject({ email: z.string().max(254), password: z.string().max(1_024) }),
);

export interface SetUpInput {
  readonly token: string;
  readonly email: string;
  readonly name?: string | undefined;
  readonly password: string;
}
export const setUpInput = named<SetUpInput>()(
  'SetUp',
  'The first administrator.',
  z.strictObject({
    token: z.string().max(200).describe('From the link, behind `#t=`.'),
    email,
    name: z.string().trim().max(200).optional().describe('The part before @ unless given.'),
    password,
  }),
);

export interface Me {
  readonly actor: Pick<Actor, 'kind' | 'name' | 'role' | 'personId' | 'tokenId'>;
  readonly person: Person | null;
  readonly csrfToken: string | null;
  readonly rights: readonly string[];
  readonly programVersion: string;
}

export const me = named<Me>()(
  'Me',
  'Who is signed in.',
  z.object({
    actor: z.object({
      kind: z.enum(['person', 'token', 'system']),
      name: z.string(),
      role,
      personId: z.string().nullable(),
      tokenId: z.string().nullable(),
    }),
    person: person.nullable().describe('null for a token.'),
    csrfToken: z
      .string()
      .nullable()
      .describe('Send it as `X-CSRF-Token` with everything but GET; null for a token, which needs none.'),
    rights: z.array(z.string()).describe('What the role allows.'),
    programVersion: z.string(),
  }),
);

export const oidcCallback = exactly<Record<string, unknown>>()(z.record(z.string(), z.unknown()));
