/** Numbers for people: grouped by their language, decimal bytes, durations, ranges, plurals. Pure. */

export interface Format {
  /** `1,204,311` */
  count(value: number): string;
  /** Three significant digits, decimal: `9.6 GB`. */
  bytes(value: number): string;
  /** `104 MB/s` */
  speed(bytesPerSecond: number): string;
  /** `6.1 of 9.6 GB`, the unit once where both share it. */
  bytesOf(done: number, total: number, between: string): string;
  /** `21 Nov 2026, 10:11` in the person's zone. */
  /** With a `timeZone`, as clocks there show it, and with its offset. */
  time(atMs: number, timeZone?: string): string;
  /** `1 object`, `3,052 objects`: the form that the number asks for, with `#` replaced by the number. */
  plural(value: number, forms: PluralForms): string;
}

export interface PluralForms {
  readonly one: string;
  readonly other: string;
}

const UNITS = ['bytes', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB'] as const;

export function createFormat(locale: string, timeZone: string | undefined): Format {
  const whole = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
  const short = new Intl.NumberFormat(locale, { maximumSignificantDigits: 3 });
  // The sentences are English, so their plural forms are.
  const rules = new Intl.PluralRules('en');
  // English sentences say the day first everywhere; numbers keep the region's form.
  const clock = (zone: Intl.DateTimeFormatOptions): Intl.DateTimeFormat =>
    new Intl.DateTimeFormat(locale.startsWith('en') ? 'en-GB' : locale, {
      day: 'numeric',
      month: 'short',
      year: 'numeric',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
      ...zone,
    });
  const moment = clock(timeZone === undefined ? {} : { timeZone });
  const amount = (value: number, unit: number): string =>
    unit === 0 ? whole.format(value) : short.format(value / 1000 ** unit);
  const bytes = (value: number): string => {
    const unit = unitOf(value);
    if (unit === 0) return value === 1 ? '1 byte' : `${whole.format(value)} bytes`;
    return `${amount(value, unit)} ${UNITS[unit] as string}`;
  };
  return {
    count: (value) => whole.format(value),
    bytes,
    speed: (bytesPerSecond) => `${bytes(Math.round(bytesPerSecond))}/s`,
    bytesOf: (done, total, between) => {
      const unit = unitOf(total);
      const sameUnit = done === 0 || unitOf(done) === unit;
      const first = sameUnit ? amount(done, unit) : bytes(done);
      return `${first} ${between} ${bytes(total)}`;
    },
    time: (atMs, zone) =>
      (zone === undefined ? moment : clock({ timeZone: zone, timeZoneName: 'shortOffset' })).format(atMs),
    plural: (value, forms) =>
      (rules.select(value) === 'one' ? forms.one : forms.other).replaceAll('#', whole.format(value)),
  };
}

/** The unit in which three significant digits stay below 1,000 after rounding. */
function unitOf(value: number): number {
  let unit = 0;
  let rest = value;
  while (unit < UNITS.length - 1 && (unit === 0 ? rest >= 1000 : rest >= 999.5)) {
    rest /= 1000;
    unit += 1;
  }
  return unit;
}

/** `0.4 s`, `48 s`, `1 min 34 s`, `2 h 05 min`, `3 d 4 h`. */
export function formatDuration(durationMs: number): string {
  if (durationMs < 9950) return `${(Math.max(0, durationMs) / 1000).toFixed(1)} s`;
  const seconds = Math.round(durationMs / 1000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return joined(Math.floor(seconds / 60), 'min', seconds % 60, 's', false);
  const minutes = Math.round(seconds / 60);
  if (minutes < 24 * 60) return joined(Math.floor(minutes / 60), 'h', minutes % 60, 'min', true);
  const hours = Math.round(minutes / 60);
  return joined(Math.floor(hours / 24), 'd', hours % 24, 'h', false);
}

/** An estimate is never exact: `about 35 s`, `1 to 3 min`, `30 s to 2 min`. */
export function formatRange(range: { readonly low: number; readonly high: number }): string {
  const low = roundNumber(range.low);
  const high = roundNumber(Math.max(range.low, range.high));
  if (low.value === high.value && low.unit === high.unit) return `about ${high.value} ${high.unit}`;
  if (low.unit === high.unit) return `${low.value} to ${high.value} ${high.unit}`;
  return `${low.value} ${low.unit} to ${high.value} ${high.unit}`;
}

/** A percentage that never says more than is done: rounded down, and 100 only for the end. */
export function formatPercent(done: number, total: number): string {
  if (total <= 0) return '0 %';
  return `${Math.min(99, Math.floor((done / total) * 100))} %`;
}

function joined(large: number, largeUnit: string, small: number, smallUnit: string, pad: boolean): string {
  if (small === 0) return `${large} ${largeUnit}`;
  return `${large} ${largeUnit} ${pad ? String(small).padStart(2, '0') : small} ${smallUnit}`;
}

function roundNumber(durationMs: number): { value: number; unit: string } {
  const seconds = durationMs / 1000;
  if (seconds < 57.5) return { value: Math.max(5, Math.round(seconds / 5) * 5), unit: 's' };
  const minutes = seconds / 60;
  if (minutes < 9.5) return { value: Math.max(1, Math.round(minutes)), unit: 'min' };
  if (minutes < 57.5) return { value: Math.round(minutes / 5) * 5, unit: 'min' };
  const hours = minutes / 60;
  if (hours < 23.5) return { value: Math.max(1, Math.round(hours)), unit: 'h' };
  return { value: Math.max(1, Math.round(hours / 24)), unit: 'd' };
}
