import { terminalSafe } from '../../../audit/log-line.ts';
import { report as reportOf, type Report } from '../../../audit/report/report.ts';
import { reportHtml } from '../../../audit/report/html.ts';
import { reportMarkdown } from '../../../audit/report/markdown.ts';
import { reportText } from '../../../audit/report/text.ts';
import { lookAtKeySources } from '../../../compose/wiring/key-sources.ts';
import { systemClock } from '../../../core/clock.ts';
import { endsElsewhere } from '../../../keys/ends-elsewhere.ts';
import type { Invocation } from '../../command.ts';
import { durationSeconds } from '../../duration.ts';
import { EXIT, refused, usage } from '../../failure.ts';
import { listenOrigin } from '../../listen-origin.ts';
import type { Output, Style } from '../../output.ts';
import { replaceFile } from '../../replace-file.ts';
import { allEnforced } from '../mode/mode.ts';
import { atWork } from '../../workplace.ts';

/** What goes into a file is as wide as it comes. */
const formats: Readonly<Record<string, (found: Report, width: number | null) => string>> = {
  text: reportText,
  markdown: reportMarkdown,
  json: (found) => terminalSafe(JSON.stringify(found, null, 2)),
  html: reportHtml,
};

/** Exit 1 with --check, unless it is ready to enforce. */
export async function report(invocation: Invocation): Promise<number> {
  const { out } = invocation;
  const since = durationSeconds(invocation.text('since') ?? '24h', 'since');
  const service = invocation.text('service');
  const file = invocation.text('out');
  const format = invocation.json ? 'json' : (invocation.text('format') ?? 'text');
  const write = Object.hasOwn(formats, format) ? formats[format] : undefined;
  if (!write) throw usage(`--format is ${Object.keys(formats).join(', ')}, not "${format}"`);
  return atWork(invocation, async ({ config, store }) => {
    if (service !== null && !config.services.some(({ name }) => name === service)) {
      throw refused(`no service "${service}" is configured`);
    }
    const now = systemClock();
    // What happened within this second is part of the report.
    const period = { since: now - since, until: now + 1, untilNow: true };
    const sources = await lookAtKeySources(config);
    const isEnforced = await allEnforced({ config, store }, invocation, service);
    const found = namingCommands(
      await reportOf(store, service === null ? period : { ...period, service }, {
        endsElsewhere: endsElsewhere(sources.keys),
        isEnforced,
      }),
      invocation,
    );
    const text = write(found, file === null ? out.width : null);
    if (file !== null) {
      // Who calls what is not for everybody on this machine.
      replaceFile(file, `${text}\n`, 0o600);
      out.talk(`written to ${file}`);
    } else {
      for (const line of format === 'text' ? styled(text, out) : [text]) out.line(line);
      if (found.verdict.ready && format === 'text' && !isEnforced) out.talk(`\n${nextWords}`);
      if (found.requests === 0 && format === 'text')
        out.talk(`\nDo callers call the gateway, ${listenOrigin(config)}/SERVICE/…, or still the services themselves?`);
    }
    for (const warning of sources.warnings) out.warn(warning);
    if (!config.audit.rows)
      out.warn('decisions are not kept in the store (audit.rows is false), so a report has nothing to go by');
    return invocation.flag('check') && !found.verdict.ready ? EXIT.refused : EXIT.done;
  });
}

/** What is to be copied names the configuration that was given, in each form; what callers chose to be called stays as it is. */
function namingCommands(found: Report, { naming }: Invocation): Report {
  const { mend, concerns } = found.verdict;
  return {
    ...found,
    verdict: {
      ...found.verdict,
      mend: mend.map((step) => ({ ...step, commands: step.commands.map(naming) })),
      concerns: concerns.map(naming),
    },
  };
}

const nextWords =
  'Next, step by step: countersign ramp plan --out ramp.yaml. Or at once: countersign mode set enforce. Back: countersign mode set report --all';

const headings = /^(?:Requests|What to mend|Worth knowing|W(?:ould be|as) refused|Callers|Clocks|Keys that end)$/;

/** The lines of the text form, the verdict coloured as far as it goes. */
function styled(text: string, out: Output): string[] {
  let verdict: Style | null = null;
  return text.split('\n').map((line) => {
    if (line.startsWith('Ready to enforce') || line.startsWith('All is enforced:')) verdict = 'green';
    if (
      line.startsWith('Not ready') ||
      line.startsWith('All is enforced by now') ||
      line.startsWith('Nothing can be said')
    )
      verdict = 'yellow';
    if (line === '') verdict = null;
    if (verdict !== null) return out.paint(verdict, line);
    return headings.test(line) ? out.paint('bold', line) : line;
  });
}
