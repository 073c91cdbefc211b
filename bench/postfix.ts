// A Postfix of the bench's own, from the installed package: a relay to one sink, with the package's defaults.
// throughput.ts compares Sendoff with it.
// Never touches /etc/postfix or the system's service. Needs root, as Postfix does.
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { benchFolder, freePort, spawnChild, waitFor } from './children.ts';

export interface ServerUnderTest {
  readonly name: string;
  readonly port: number;
  stop(): Promise<void>;
}

/** Defaults of Postfix 3.7 wherever they are not named; fsync cannot be turned off. */
function mainCf(folder: string, sinkPort: number): string {
  return [
    'compatibility_level = 3.6',
    `queue_directory = ${folder}/queue`,
    `data_directory = ${folder}/data`,
    'command_directory = /usr/sbin',
    'daemon_directory = /usr/lib/postfix/sbin',
    'mail_owner = postfix',
    'setgid_group = postdrop',
    'myhostname = bench.example',
    'mydestination =',
    'local_recipient_maps =',
    'alias_maps =',
    'inet_interfaces = 127.0.0.1',
    'inet_protocols = ipv4',
    'mynetworks = 127.0.0.0/8',
    'smtpd_relay_restrictions = permit_mynetworks, reject',
    `relayhost = [127.0.0.1]:${sinkPort}`,
    '',
  ].join('\n');
}

/** The package's master.cf, without chroot, on a port of ours. */
function masterCf(port: number): string {
  return `127.0.0.1:${port} inet n - n - - smtpd
pickup    unix n - n 60    1 pickup
cleanup   unix n - n -     0 cleanup
qmgr      unix n - n 300   1 qmgr
tlsmgr    unix - - n 1000? 1 tlsmgr
rewrite   unix - - n -     - trivial-rewrite
bounce    unix - - n -     0 bounce
defer     unix - - n -     0 bounce
trace     unix - - n -     0 bounce
verify    unix - - n -     1 verify
flush     unix n - n 1000? 0 flush
proxymap  unix - - n -     - proxymap
smtp      unix - - n -     - smtp
relay     unix - - n -     - smtp
showq     unix n - n -     - showq
error     unix - - n -     - error
retry     unix - - n -     - error
discard   unix - - n -     - discard
anvil     unix - - n -     1 anvil
scache    unix - - n -     1 scache
`;
}

export async function startPostfix(sinkPort: number): Promise<ServerUnderTest> {
  const folder = benchFolder('postfix');
  chmodSync(folder, 0o755);
  for (const part of ['config', 'queue', 'data']) mkdirSync(join(folder, part));
  execFileSync('chown', ['postfix', join(folder, 'data')]);
  const port = await freePort();
  const config = join(folder, 'config');
  writeFileSync(join(config, 'main.cf'), mainCf(folder, sinkPort));
  writeFileSync(join(config, 'master.cf'), masterCf(port));
  // Postfix sets the ownership in its queue folder right itself, and mentions it.
  spawnChild('postfix', ['-c', config, 'start-fg'], { stdio: 'ignore' });
  await listening(port);
  const master = Number(readFileSync(join(folder, 'queue/pid/master.pid'), 'utf8'));
  const stop = async (): Promise<void> => {
    if (alive(master)) process.kill(master, 'SIGTERM');
    await waitFor('Postfix to end', () => !alive(master));
  };
  // An exit that came too early for `stop`.
  process.on('exit', () => alive(master) && process.kill(master, 'SIGTERM'));
  return { name: 'Postfix', port, stop };
}

function alive(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch {
    return false;
  }
}

/** Resolves when something accepts connections there. */
export async function listening(port: number): Promise<number> {
  return waitFor(`port ${port}`, () => {
    return new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
  });
}
