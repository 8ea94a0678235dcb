/**
 * CRC-64/NVME in WebAssembly, because JavaScript has no fast 64-bit arithmetic. The module is written out below as the
 * few dozen instructions it is, and assembled when it is first used; there is no compiled file to trust.
 */

/** Reflected polynomial. */
export const CRC64_POLYNOMIAL = 0x9a6c9329ac4bc9b5n;

const TABLE_BYTES = 256 * 8;
const TABLE_COUNT = 16;
/** Content is copied behind the tables in pieces of this size. */
export const PIECE_BYTES = 128 * 1024;
const CONTENT_AT = TABLE_BYTES * TABLE_COUNT;
const PAGE_BYTES = 65_536;

export interface Crc64Machine {
  /** Copy content in here before `update`. */
  readonly content: Uint8Array;
  /** The state after `lengthBytes` of `content`. States are inverted sums, as the algorithm keeps them. */
  update(state: bigint, lengthBytes: number): bigint;
}

/** What we use of WebAssembly, which TypeScript declares for browsers only. */
interface WebAssemblyApi {
  readonly Module: new (code: Uint8Array) => object;
  readonly Instance: new (module: object) => {
    readonly exports: {
      readonly memory: { readonly buffer: ArrayBuffer };
      readonly crc: (state: bigint, from: number, to: number) => bigint;
    };
  };
}

let machine: Crc64Machine | null = null;

export function crc64Machine(): Crc64Machine {
  machine ??= makeMachine();
  return machine;
}

function makeMachine(): Crc64Machine {
  const { Instance, Module } = (globalThis as unknown as { readonly WebAssembly: WebAssemblyApi }).WebAssembly;
  const { memory, crc } = new Instance(new Module(assemble())).exports;
  new BigUint64Array(memory.buffer, 0, 256 * TABLE_COUNT).set(tables());
  return {
    content: new Uint8Array(memory.buffer, CONTENT_AT, PIECE_BYTES),
    update: (state, lengthBytes) => BigInt.asUintN(64, crc(state, CONTENT_AT, CONTENT_AT + lengthBytes)),
  };
}

/** Table `k` moves a byte past `k` further bytes, so that 16 bytes are 16 independent look-ups. */
function tables(): BigUint64Array {
  const table = new BigUint64Array(256 * TABLE_COUNT);
  for (let byte = 0; byte < 256; byte++) {
    let value = BigInt(byte);
    for (let bit = 0; bit < 8; bit++) value = value & 1n ? (value >> 1n) ^ CRC64_POLYNOMIAL : value >> 1n;
    table[byte] = value;
  }
  for (let at = 256; at < table.length; at++) {
    const value = table[at - 256] as bigint;
    table[at] = (table[Number(value & 255n)] as bigint) ^ (value >> 8n);
  }
  return table;
}

const I32 = 0x7f;
const I64 = 0x7e;
const OP = {
  block: [0x02, 0x40],
  loop: [0x03, 0x40],
  end: [0x0b],
  i32Const: 0x41,
  i32GtU: [0x4b],
  i32GeU: [0x4f],
  i32Add: [0x6a],
  i32And: [0x71],
  i32Shl: [0x74],
  i32ShrU: [0x76],
  i32WrapI64: [0xa7],
  i64Const: 0x42,
  i64Xor: [0x85],
  i64ShrU: [0x88],
  i64ExtendI32U: [0xad],
} as const;

const LOCAL = { state: 0, at: 1, end: 2, first: 3, second: 4, low: 5, high: 6 } as const;

const get = (local: number): number[] => [0x20, local];
const set = (local: number): number[] => [0x21, local];
const breakIf = (depth: number): number[] => [0x0d, depth];
const again = (depth: number): number[] => [0x0c, depth];
const i32Const = (value: number): number[] => [OP.i32Const, ...signed(value)];
const i64Load = (offset: number): number[] => [0x29, 0, ...unsigned(offset)];
const i32Load8 = (offset: number): number[] => [0x2d, 0, ...unsigned(offset)];

/** Pushes table `k`'s entry for one byte of an i32 local. */
function lookUp(table: number, local: number, byte: number): number[] {
  const shift = byte * 8 - 3;
  const scaled = shift < 0 ? [...i32Const(-shift), ...OP.i32Shl] : [...i32Const(shift), ...OP.i32ShrU];
  return [...get(local), ...scaled, ...i32Const(0xff << 3), ...OP.i32And, ...i64Load(table * TABLE_BYTES)];
}

/** Splits an i64 local in halves and pushes the sum of its eight look-ups, the highest table first. */
function lookUpEight(local: number, highestTable: number): number[] {
  const code = [
    [...get(local), ...OP.i32WrapI64, ...set(LOCAL.low)],
    [...get(local), OP.i64Const, ...signed(32), ...OP.i64ShrU, ...OP.i32WrapI64, ...set(LOCAL.high)],
  ].flat();
  for (let byte = 0; byte < 8; byte++) {
    code.push(...lookUp(highestTable - byte, byte < 4 ? LOCAL.low : LOCAL.high, byte % 4));
    if (byte > 0) code.push(...OP.i64Xor);
  }
  return code;
}

function sixteenAtATime(): number[] {
  return [
    [...OP.block, ...OP.loop],
    [...get(LOCAL.at), ...i32Const(16), ...OP.i32Add, ...get(LOCAL.end), ...OP.i32GtU, ...breakIf(1)],
    [...get(LOCAL.at), ...i64Load(0), ...get(LOCAL.state), ...OP.i64Xor, ...set(LOCAL.first)],
    [...get(LOCAL.at), ...i64Load(8), ...set(LOCAL.second)],
    lookUpEight(LOCAL.first, 15),
    lookUpEight(LOCAL.second, 7),
    [...OP.i64Xor, ...set(LOCAL.state)],
    [...get(LOCAL.at), ...i32Const(16), ...OP.i32Add, ...set(LOCAL.at), ...again(0)],
    [...OP.end, ...OP.end],
  ].flat();
}

function oneAtATime(): number[] {
  return [
    [...OP.block, ...OP.loop],
    [...get(LOCAL.at), ...get(LOCAL.end), ...OP.i32GeU, ...breakIf(1)],
    [...get(LOCAL.state), ...get(LOCAL.at), ...i32Load8(0), ...OP.i64ExtendI32U, ...OP.i64Xor],
    [...OP.i32WrapI64, ...set(LOCAL.low), ...lookUp(0, LOCAL.low, 0)],
    [...get(LOCAL.state), OP.i64Const, ...signed(8), ...OP.i64ShrU, ...OP.i64Xor, ...set(LOCAL.state)],
    [...get(LOCAL.at), ...i32Const(1), ...OP.i32Add, ...set(LOCAL.at), ...again(0)],
    [...OP.end, ...OP.end],
  ].flat();
}

/** `crc(state: i64, from: i32, to: i32) -> i64` over an exported memory. */
function assemble(): Uint8Array<ArrayBuffer> {
  const pages = Math.ceil((CONTENT_AT + PIECE_BYTES) / PAGE_BYTES);
  const locals = [2, 2, I64, 2, I32];
  const body = [...locals, ...sixteenAtATime(), ...oneAtATime(), ...get(LOCAL.state), ...OP.end];
  return Uint8Array.from(
    [
      [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      section(1, [1, 0x60, 3, I64, I32, I32, 1, I64]),
      section(3, [1, 0]),
      section(5, [1, 0x00, ...unsigned(pages)]),
      section(7, [2, ...named('memory'), 2, 0, ...named('crc'), 0, 0]),
      section(10, [1, ...unsigned(body.length), ...body]),
    ].flat(),
  );
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...unsigned(content.length), ...content];
}

function named(name: string): number[] {
  return [name.length, ...Buffer.from(name, 'latin1')];
}

/** LEB128. */
function unsigned(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return [...bytes, rest];
    bytes.push((rest & 0x7f) | 0x80);
  }
}

/** Signed LEB128 of a value that is not negative: one more bit is needed for the sign. */
function signed(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x40) return [...bytes, rest];
    bytes.push((rest & 0x7f) | 0x80);
  }
}
