// The process's environment as a plain record.
// Read once by the command line and handed down to load.ts and load-policy.ts.
// Never read process.env anywhere else.

export type Environment = Readonly<Record<string, string | undefined>>;

export function readEnvironment(): Environment {
  // biome-ignore lint/style/noProcessEnv: this file is the one door to it.
  return { ...process.env };
}
