// The container's first process: says whom it trusts, then is the daemon.
// The image's CMD; the daemon's settings are docker/sendoff.yaml, unless SENDOFF_CONFIG names others.
// Never widens the trust of an operator's own settings.
import { networkInterfaces } from 'node:os';
import { fileURLToPath } from 'node:url';
import { bridgeNetworks } from './networks.ts';

/** Of the image; an operator's own file says itself where to listen and whom to trust. */
const SHIPPED = fileURLToPath(new URL('sendoff.yaml', import.meta.url));
const TRUSTED = 'SENDOFF__CLIENTS__TRUSTED';

process.env.SENDOFF_CONFIG ??= SHIPPED;
if (process.env.SENDOFF_CONFIG === SHIPPED && process.env[TRUSTED] === undefined) trustBridges();

process.argv = [process.execPath, 'sendoff', 'serve'];
await import(new URL('../bin/sendoff.js', import.meta.url).href);

/** Behind a bridge every client of a published port has the gateway's address: so publish on loopback only. */
function trustBridges(): void {
  const bridges = bridgeNetworks(networkInterfaces());
  process.env[TRUSTED] = JSON.stringify(['127.0.0.0/8', '::1', ...bridges]);
  const msg =
    `in a container: listening on all its addresses, trusting ${bridges.join(', ') || 'loopback alone'}. ` +
    'Publish the port on 127.0.0.1 only: whoever reaches it may relay';
  process.stdout.write(`${JSON.stringify({ level: 'info', time: new Date().toISOString(), msg })}\n`);
}
