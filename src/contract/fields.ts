/** A connector's fields, described once as plain data; everything else about them is computed from this. */

interface FieldBase {
  /** As the seeds' users know it: `Access Key ID`. */
  readonly label: string;
  /** One sentence, with an example where that helps. */
  readonly help: string;
  readonly optional?: boolean;
  /** Folded away in forms. */
  readonly advanced?: boolean;
  /** Asked only when another field has one of these values. */
  readonly when?: { readonly field: string; readonly in: readonly string[] };
  /** Environment name, where it is not the field's name in upper snake case. */
  readonly environmentName?: string;
}

export interface TextField extends FieldBase {
  readonly type: 'text';
  readonly multiline?: boolean;
  readonly format?: 'url';
  readonly lengthMin?: number;
  readonly lengthMax?: number;
  /** Source of a regular expression, anchored by us. */
  readonly pattern?: string;
  readonly example?: string;
  readonly default?: string;
}

/** Encrypted at rest, never sent back, shown as dots, replaced in every log line. */
export interface SecretField extends FieldBase {
  readonly type: 'secret';
  readonly multiline?: boolean;
}

export interface ChoiceField extends FieldBase {
  readonly type: 'choice';
  readonly choices: readonly { readonly value: string; readonly label: string; readonly help?: string }[];
  readonly default: string;
}

export interface FlagField extends FieldBase {
  readonly type: 'flag';
  readonly default: boolean;
}

export interface NumberField extends FieldBase {
  readonly type: 'number';
  readonly min: number;
  readonly max: number;
  readonly unit?: string;
  readonly default?: number;
}

export type Field = TextField | SecretField | ChoiceField | FlagField | NumberField;
export type Fields = { readonly [name: string]: Field };

/** Values by field name; a field that was left empty is absent. */
export type Config = { readonly [name: string]: string | boolean | number };

export interface FieldProblem {
  readonly field: string;
  readonly message: string;
}
