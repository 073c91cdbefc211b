// The container's files, read as Docker would read them: what must be there, and what must not.
// There is no Docker engine in the tests; the image's start itself is run as a plain process elsewhere.
// Never builds or pulls anything.
import { existsSync, readFileSync } from 'node:fs';
import type { NetworkInterfaceInfo } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { bridgeNetworks } from '../../../docker/networks.ts';

const root = new URL('../../..', import.meta.url).pathname;
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

interface Instruction {
  readonly name: string;
  readonly value: string;
}

/** Instructions with continued lines joined and comments left out, one list for each stage. */
function stages(dockerfile: string): readonly (readonly Instruction[])[] {
  const text = dockerfile.replace(/^\s*#.*\n/gm, '').replace(/\\\n/g, ' ');
  const instructions = text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [, name = '', value = ''] = /^([A-Z]+)\s+(.*)$/.exec(line.trim()) ?? [];
      return { name, value: value.replace(/\s+/g, ' ') };
    });
  const starts = instructions.flatMap(({ name }, index) => (name === 'FROM' ? [index] : []));
  return starts.map((start, stage) => instructions.slice(start, starts[stage + 1]));
}

const [build = [], image = []] = stages(read('Dockerfile'));
const values = (stage: readonly Instruction[], name: string): readonly string[] =>
  stage.filter((instruction) => instruction.name === name).map(({ value }) => value);

test('two stages on the same pinned official base, and every line is an instruction', () => {
  expect(stages(read('Dockerfile'))).toHaveLength(2);
  const known = /^(?:FROM|WORKDIR|COPY|RUN|ENV|USER|VOLUME|EXPOSE|HEALTHCHECK|ENTRYPOINT|CMD)$/;
  for (const { name } of [...build, ...image]) expect(name).toMatch(known);
  const [base] = values(image, 'FROM');
  expect(base).toBe('node:24-bookworm-slim');
  expect(values(build, 'FROM')).toEqual([`${base} AS build`]);
});

test('the build takes exactly the lockfile, and leaves development behind', () => {
  const run = values(build, 'RUN').join('\n');
  expect(run).toContain('npm ci');
  expect(run).toContain('npm run build');
  expect(run).toContain('npm prune --ignore-scripts --omit=dev');
  expect(run).not.toContain('npm install');
});

test('nothing runs as root, and the data folder belongs to the user before it is a volume', () => {
  expect(values(image, 'USER')).toEqual(['node']);
  expect(values(image, 'VOLUME')).toEqual(['/var/lib/sendoff']);
  expect(values(image, 'RUN').join()).toContain('install -d -o node -g node -m 0700 /var/lib/sendoff');
  const order = image.map(({ name }) => name);
  expect(order.indexOf('USER')).toBeGreaterThan(order.lastIndexOf('RUN'));
  expect(order.indexOf('USER')).toBeLessThan(order.indexOf('CMD'));
});

test('packages come without recommendations, and their lists are removed in the same layer', () => {
  const [run = ''] = values(image, 'RUN').filter((value) => value.includes('apt-get install'));
  expect(run).toMatch(/apt-get update && apt-get install -y --no-install-recommends .*redis-server/);
  expect(run).toContain('rm -rf /var/lib/apt/lists/*');
});

test.each(['ENTRYPOINT', 'CMD'])('%s is in exec form: signals reach the daemon', (name) => {
  const [value = ''] = values(image, name);
  expect(JSON.parse(value)).toEqual(expect.arrayContaining([expect.any(String)]));
});

test('the health check is in exec form, asks the daemon and allows for a start', () => {
  const [value = ''] = values(image, 'HEALTHCHECK');
  expect(value).toMatch(/--interval=\d+s .*--start-period=\d+s .*CMD \[/);
  const command = JSON.parse(value.slice(value.indexOf('['))) as string[];
  expect(command.slice(0, 2)).toEqual(['node', '-e']);
  expect(command[2]).toContain('/healthz');
  expect(() => new Function(command[2] ?? 'missing')).not.toThrow();
});

test('only 2525 is exposed, and no secret is set', () => {
  expect(values(image, 'EXPOSE')).toEqual(['2525']);
  expect(values(image, 'ENV').join()).not.toMatch(/password|token|secret/i);
});

test('whatever is copied is in the repository and in the build context', () => {
  const context = read('.dockerignore').split('\n');
  expect(context).toContain('*');
  const copied = [...build, ...image]
    .filter(({ name, value }) => name === 'COPY' && !value.startsWith('--from'))
    .flatMap(({ value }) => value.split(' ').slice(0, -1));
  for (const path of copied) {
    expect(existsSync(join(root, path)), path).toBe(true);
    expect(context).toContain(`!${path}`);
  }
});

test('compose: published on loopback, both data folders in volumes, Redis durable, time to stop', () => {
  const { services, volumes } = parse(read('docker-compose.yml'));
  const { sendoff, redis } = services;
  expect(sendoff.ports).toEqual(['127.0.0.1:2525:2525']);
  expect(redis.ports).toBeUndefined();
  expect(sendoff.stop_grace_period).toBe('45s');
  expect(sendoff.environment.SENDOFF_REDIS_URL).toBe('redis://redis:6379');
  expect(sendoff.volumes).toEqual(['spool:/var/lib/sendoff']);
  expect(redis.volumes).toEqual(['redis:/data']);
  expect(Object.keys(volumes)).toEqual(['spool', 'redis']);
  const command = redis.command.join(' ');
  expect(command).toContain('--appendonly yes');
  expect(command).toContain('--maxmemory-policy noeviction');
});

test('the settings of the image listen on all addresses and keep everything in the volume', () => {
  const settings = parse(read('docker/sendoff.yaml'));
  expect(settings.listeners).toEqual([{ address: '0.0.0.0', port: 2525 }]);
  expect(settings.data).toBe('/var/lib/sendoff');
  expect(settings.clients).toBeUndefined();
});

function at(cidr: string, internal = false): NetworkInterfaceInfo {
  const address = cidr.split('/')[0] ?? '';
  return { address, cidr, internal, netmask: '', mac: '', family: 'IPv4' };
}

test('a container trusts the bridges that it is on, and nothing wider, public or of the machine', () => {
  const lo = [at('127.0.0.1/8', true)];
  expect(bridgeNetworks({ lo, eth0: [at('172.17.0.2/16')] })).toEqual(['172.17.0.2/16']);
  expect(bridgeNetworks({ lo, eth0: [at('172.18.0.3/16')], eth1: [at('10.89.0.5/24')] })).toHaveLength(2);
  expect(bridgeNetworks({ lo, eth0: [at('203.0.113.7/24')] })).toEqual([]);
  expect(bridgeNetworks({ lo, eth0: [at('10.0.0.7/8')] })).toEqual([]);
  expect(bridgeNetworks({ lo, eth0: [at('192.168.1.7/24')], docker0: [at('172.17.0.1/16')] })).toEqual([]);
  expect(bridgeNetworks({ lo })).toEqual([]);
});
