// Where recipients belong, and the change that brings an entry there.
import { describe, expect, test } from 'vitest';
import { place } from '../../../src/queue/placement.ts';
import { inPlace, relocate } from '../../../src/queue/relocate.ts';
import { ARRIVED, entry, failure, message, placing } from './setting.ts';

const POLICY = `
routes:
  provider: { via: smarthost, hosts: [provider.example] }
  second: { via: smarthost, hosts: [second.example] }
  drop: { via: discard }
rules:
  - { when: { to: "*.invalid" }, reject: { text: No such domain } }
  - { when: { to: drop.example }, route: drop }
  - { when: { to: hourly.example }, retry: { after: 1h } }
  - { when: any, route: [direct, provider, second] }
`;

const closedBy = (failures: number, permanent = false) => ({
  failures,
  last: failure({ scope: 'destination', class: 'unreachable', permanent }),
});

describe('new mail', () => {
  test('goes in groups of one destination and one set of rules', () => {
    const to = [
      'a@example.org',
      'b@example.org',
      'c@other.example',
      'x@no.invalid',
      'y@drop.example',
      'd@example.org',
    ];
    const placements = place(message(to), [0, 1, 2, 3, 4, 5], null, placing(POLICY));
    expect(placements).toMatchObject([
      { kind: 'queue', destination: 'direct example.org', recipients: [0, 1, 5] },
      { kind: 'queue', destination: 'direct other.example', recipients: [2] },
      { kind: 'reject', rule: 'rule 1', recipients: [3] },
      { kind: 'discard', route: 'drop', recipients: [4] },
    ]);
  });

  test('follows the route that an operator named, unless there is none of that name', () => {
    const of = (routeOverride: string) =>
      place(message(['a@example.org'], { routeOverride }), [0], null, placing(POLICY));
    expect(of('second')).toMatchObject([{ destination: 'second' }]);
    expect(of('gone')).toMatchObject([{ destination: 'direct example.org' }]);
  });

  test('passes by closed doors, as far as their failures allow', () => {
    const at = (doors: Parameters<typeof placing>[1]) =>
      place(message(['a@example.org']), [0], null, placing(POLICY, doors)).map(
        (one) => one.kind === 'queue' && one.destination,
      );
    expect(at({ 'direct example.org': closedBy(1) })).toEqual(['direct example.org']);
    expect(at({ 'direct example.org': closedBy(2) })).toEqual(['provider']);
    expect(at({ 'direct example.org': closedBy(2), provider: closedBy(1) })).toEqual(['provider']);
    expect(at({ 'direct example.org': closedBy(2), provider: closedBy(2) })).toEqual(['second']);
    expect(at({ 'direct example.org': closedBy(2), provider: closedBy(2), second: closedBy(9) })).toEqual([
      'second',
    ]);
  });
});

describe('queued mail', () => {
  const to = message(['a@example.org']);
  const destinationOf = (doors: Parameters<typeof placing>[1], changes: Parameters<typeof entry>[1]) =>
    place(to, [0], entry(1, changes), placing(POLICY, doors)).map(
      (one) => one.kind === 'queue' && one.destination,
    );

  test('stays where it is while nothing speaks against it, and never goes back up the list', () => {
    expect(destinationOf({}, {})).toEqual(['direct example.org']);
    expect(destinationOf({}, { destination: 'provider' })).toEqual(['provider']);
  });

  test('behind a closed door goes to the fallback without an attempt of its own', () => {
    expect(destinationOf({ 'direct example.org': closedBy(2) }, {})).toEqual(['provider']);
    expect(destinationOf({ 'direct example.org': closedBy(1) }, {})).toEqual(['direct example.org']);
  });

  test('in doubt goes nowhere else', () => {
    const doubt = { count: 1, since: ARRIVED, cause: 'crash' } as const;
    expect(destinationOf({ 'direct example.org': closedBy(5) }, { doubt })).toEqual(['direct example.org']);
  });

  test('whose route is gone begins anew', () => {
    expect(destinationOf({}, { destination: 'removed' })).toEqual(['direct example.org']);
  });
});

describe('relocation', () => {
  test('an entry is in place when all its recipients belong where it stands', () => {
    const two = message(['a@example.org', 'b@example.org']);
    expect(inPlace(entry(2), place(two, [0, 1], entry(2), placing(POLICY)))).toBe(true);
    const apart = message(['a@example.org', 'b@hourly.example']);
    expect(inPlace(entry(2), place(apart, [0, 1], entry(2), placing(POLICY)))).toBe(false);
  });

  test('splits an entry; no recipient is lost, and what moves begins a new count', () => {
    const to = message(['a@example.org', 'b@x.invalid', 'c@drop.example', 'd@moved.example']);
    const before = entry(4, { attempts: 3, routeAttempts: 3, due: ARRIVED + 5000 });
    const { change, discarded } = relocate(before, place(to, [0, 1, 2, 3], before, placing(POLICY)), ARRIVED);
    expect(change.remove).toEqual([]);
    expect(change.ended).toEqual({ discarded: 1 });
    expect(discarded).toEqual([{ index: 2, route: 'drop', rule: 'rule 2' }]);
    expect(change.put).toMatchObject([
      {
        seq: 0,
        recipients: [0],
        destination: 'direct example.org',
        attempts: 3,
        routeAttempts: 3,
        due: ARRIVED + 5000,
      },
      { seq: 1, recipients: [1], hold: { by: 'policy' } },
      {
        seq: 3,
        recipients: [3],
        destination: 'direct moved.example',
        attempts: 3,
        routeAttempts: 0,
        due: ARRIVED,
      },
    ]);
  });

  test('takes the entry away when its first recipient ends', () => {
    const to = message(['c@drop.example', 'a@example.org']);
    const { change } = relocate(entry(2), place(to, [0, 1], entry(2), placing(POLICY)), ARRIVED);
    expect(change.remove).toEqual([{ id: to.id, seq: 0 }]);
    expect(change.put).toMatchObject([{ seq: 1, recipients: [1] }]);
  });
});
