// How Redis comes onto a machine: one entry for each package manager, and the decision what to do.
// ensure-redis.ts finds out what is there and runs what is decided here.
// Never runs anything and never looks at the machine itself.

export interface Machine {
  /** Whether a command is on PATH. */
  has(command: string): boolean;
  readonly root: boolean;
  /** sudo works without a password. */
  readonly sudo: boolean;
  /** SENDOFF_NO_INSTALL is set. */
  readonly forbidden: boolean;
}

export type Step =
  | { readonly kind: 'nothing' }
  /** Run `command`, after saying `text`. */
  | { readonly kind: 'install'; readonly text: string; readonly command: readonly string[] }
  /** One line that says what to type. */
  | { readonly kind: 'ask'; readonly text: string };

interface PackageManager {
  readonly command: string;
  /** What a person types. */
  readonly typed: string;
  /** What we run, in sh. */
  readonly script: string;
  /** Homebrew installs as the user, and refuses root. */
  readonly asRoot: boolean;
}

export const servers = ['redis-server', 'valkey-server'] as const;

/**
 * Debian starts a service when it is installed. policy-rc.d is Debian's way to say no; one that is
 * there already stays as it is. The unit is disabled too, or it would start with the machine.
 */
const APT = `
set -e
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\\nexit 101\\n' > "$policy"
  chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
options='-q -y -o DPkg::Lock::Timeout=120'
apt-get $options update
for server in redis-server valkey-server; do
  if apt-get $options install --no-install-recommends "$server"; then break; fi
done
if command -v systemctl > /dev/null; then
  for server in redis-server valkey-server; do systemctl --quiet disable "$server" || true; done
fi`;

/** In the order in which they are looked for. The others do not start a service that they install. */
const managers: readonly PackageManager[] = [
  { command: 'apt-get', typed: 'sudo apt-get install redis-server', script: APT, asRoot: true },
  { command: 'dnf', typed: 'sudo dnf install valkey', script: either('dnf -q -y install'), asRoot: true },
  { command: 'apk', typed: 'sudo apk add valkey', script: either('apk add --no-cache'), asRoot: true },
  {
    command: 'pacman',
    typed: 'sudo pacman -S valkey',
    script: either('pacman -S --noconfirm'),
    asRoot: true,
  },
  { command: 'brew', typed: 'brew install redis', script: 'brew install redis', asRoot: false },
];

/** Distributions moved from the one to the other at different times. */
function either(install: string): string {
  return `${install} valkey || ${install} redis`;
}

export function decide(machine: Machine): Step {
  if (servers.some((server) => machine.has(server))) return { kind: 'nothing' };
  const missing = 'redis-server and valkey-server are both missing';
  const manager = managers.find(({ command }) => machine.has(command));
  if (!manager) return { kind: 'ask', text: `${missing}: install one of them, version 7 or newer` };
  const command = commandFor(manager, machine);
  if (command === null) return { kind: 'ask', text: `${missing}. Type: ${manager.typed}` };
  const text = `${missing}: installing one with ${manager.command}, its service is not started (SENDOFF_NO_INSTALL=1 forbids this)`;
  return { kind: 'install', text, command };
}

/** Null when we may not. */
function commandFor(manager: PackageManager, machine: Machine): readonly string[] | null {
  const shell = ['sh', '-c', manager.script];
  if (machine.forbidden) return null;
  if (!manager.asRoot) return machine.root ? null : shell;
  if (machine.root) return shell;
  return machine.sudo ? ['sudo', '-n', ...shell] : null;
}
