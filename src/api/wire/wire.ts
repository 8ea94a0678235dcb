/**
 * How the schemas of the API are tied to the types of the services: a schema whose output differs from its type by as
 * much as one optional field does not compile.
 */
import { z } from 'zod';
import type { Json } from '../../model/json.ts';

type Primitive = string | number | boolean | bigint | null | undefined;

/** Without `readonly`, intersections flattened; any JSON stands for any JSON. */
type Normal<T> = [Json] extends [T] ? 'any JSON' : NormalEach<T>;
type NormalEach<T> = T extends Primitive
  ? T
  : T extends readonly (infer E)[]
    ? Normal<E>[]
    : { -readonly [K in keyof T]: Normal<T[K]> };

type Question<A> = <T>() => T extends A ? 1 : 2;

export type Same<A, B> = Question<Normal<A>> extends Question<Normal<B>> ? true : false;

type Differs = 'the schema and the type are not the same';

/** A schema of exactly `T`, without a name of its own in the document. */
export function exactly<T>() {
  return <S extends z.ZodType>(schema: S & (Same<z.output<S>, T> extends true ? unknown : Differs)): z.ZodType<T> =>
    schema as unknown as z.ZodType<T>;
}

/** A schema of exactly `T` that stands under `id` among the components of the OpenAPI document. */
export function named<T>() {
  return <S extends z.ZodType>(
    id: string,
    description: string,
    schema: S & (Same<z.output<S>, T> extends true ? unknown : Differs),
  ): z.ZodType<T> => (schema as unknown as z.ZodType<T>).meta({ id, description });
}
