/** The words that the oracle's generator writes with: good and bad literals of each kind, names that trap the careless. Used by tests alone. */

export const KINDS = ['bool', 'long', 'string', 'entity', 'set', 'record', 'ip', 'decimal', 'datetime', 'duration'] as const
export type Kind = (typeof KINDS)[number]

/** Attribute names by the kind of value they mostly hold. */
export const NAMES: Readonly<Record<Kind, readonly string[]>> = {
  bool: ['b', 'constructor'],
  long: ['n', 'm', '__proto__'],
  string: ['s', 'x y'],
  entity: ['e'],
  set: ['st', 'su'],
  record: ['r'],
  ip: ['ip'],
  decimal: ['d'],
  datetime: ['dt'],
  duration: ['du'],
}
export const ALL_NAMES = Object.values(NAMES).flat()
export const STRINGS = ['', 'a', 'ab', 'abc', 'a*c', 'User', 'User::a', 'é😀', 'x"y\\', '__proto__', '1.2.3.4', 'b\0', 'aab', '3'] as const
const BIG = Number.MAX_SAFE_INTEGER
export const LONGS = [0, 1, -1, 2, 3, 14, 100, 3_037_000_500, -3_037_000_500, BIG, -BIG] as const
export const TYPES = ['User', 'User::Bot', 'Role', 'Doc'] as const
export const IDS = ['a', 'b', 'Bot::u', 'u', '', 'x"y', 'é'] as const
export const ACTIONS: readonly string[] = ['read', 'write', 'all', 'some']

const words = (...lines: readonly string[]): readonly string[] => lines.flatMap((line) => line.split(','))

export const IPS = words(
  '1.2.3.4,1.2.3.0/24,1.2.3.4/32,0.0.0.0/0,127.0.0.1,127.1.2.3/8,127.0.0.0/7,224.0.0.1,239.1.1.1/4,239.1.1.1/3,10.0.0.0/8',
  '::,::1,::1/127,1::,ff00::,ff02::1/8,ff02::1/7,2001:db8::/32,2001:db8::5,2001:0DB8:0:0:0:0:0:5,::/0,1:2:3:4:5:6:7::',
)
export const BAD_IPS = words(
  '1.2.3,1.2.3.4.5,256.1.1.1,01.2.3.4,1.2.3.4/33,1.2.3.4/01,1.2.3.4/,::ffff:1.2.3.4,:::,1:2:3:4:5:6:7:8::,1::2::3,::1%0',
  '::1/129,12345::,,1.2.3.4/ 8,::1/032,1:2:3:4:5:6:7,:1:2:3:4:5:6:7, 1.2.3.4,0:0:0:0:0:0:0:0:0,1.2.3.4/+8,1.2.3.٤',
)
export const DECIMALS = words('0.0,1.0,1.5,-1.5,-0.5,00.5000,12.3456,922337203685477.5807,-922337203685477.5808,1.2,1.20')
export const BAD_DECIMALS = words('1,1.,.5,1.23456,922337203685477.5808,1e3,+1.0,,1.0 ,-,--1.0,922337203685478.0,1.-5')
export const DATETIMES = words(
  '1970-01-01,2024-02-29,2024-02-29T12:30:45Z,2024-02-29T12:30:45.678Z,2024-02-29T12:30:45+0130,2024-02-29T12:30:45.678-2359',
  '1969-12-31T23:59:59.999Z,0000-01-01,0050-06-01,9999-12-31T23:59:59Z,1900-03-01,2000-02-29',
)
export const BAD_DATETIMES = words(
  '2023-02-29,2024-13-01,2024-00-01,2024-01-00,2024-04-31,1900-02-29,2024-01-01T24:00:00Z,2024-01-01T00:60:00Z,2024-01-01T00:00:60Z',
  '2024-01-01T00:00:00,2024-01-01T00:00Z,2024-1-1,2024-01-01T00:00:00+24:00,2024-01-01T00:00:00+2400,2024-01-01T00:00:00.1Z,24-01-01,',
  '2024-01-01Z,2024-01-01t00:00:00z,2024-01-01T00:00:00+0060, 2024-01-01,+2024-01-01,2024-01-01T00:00:00.000',
)
export const DURATIONS = words(
  '0ms,1d,-1d,1d2h3m4s5ms,36h,90m,61s,1500ms,-1ms,00001s,106751991167d,9223372036854775807ms,-9223372036854775808ms',
)
export const BAD_DURATIONS = words(
  ',-,1,d,1h1d,1d1d,1.5h,+1h,1 d,9223372036854775808ms,106751991168d,1ms1s,18446744073709551616d,-1d-1h,-9223372036854775809ms',
)

/** How often something is of another kind than is wanted. The shares were tuned so that each engine answers allow, deny and error often, and were then left alone. */
export const WRONG_KIND = 0.025
