// How a command ends: the exit codes of sysexits.h, and the error that carries one.
// Commands throw it, program.ts prints it as one line and exits with its code.
// Never carries a stack trace to the terminal.

/** From sysexits.h; scripts and supervisors read them. */
export const exitCodes = {
  ok: 0,
  /** EX_USAGE: the command line is wrong. */
  usage: 64,
  /** EX_DATAERR: the message that was handed in is refused for good. */
  dataError: 65,
  /** EX_NOINPUT: no such message. */
  noInput: 66,
  /** EX_UNAVAILABLE: the daemon is not reachable. */
  unavailable: 69,
  /** EX_SOFTWARE: a defect of ours. */
  software: 70,
  /** EX_TEMPFAIL: it may work later. */
  temporary: 75,
  /** EX_CONFIG: the settings or the policy are wrong. */
  configuration: 78,
} as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** The message says in one line what is wrong and what to do about it. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly exitCode: ExitCode;
  /** Mistakes in files, a line each, printed as they are: editors and people find the place. */
  readonly mistakes: readonly string[];

  constructor(exitCode: ExitCode, message: string, mistakes: readonly string[] = []) {
    super(message);
    this.exitCode = exitCode;
    this.mistakes = mistakes;
  }
}
