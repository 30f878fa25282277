import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Invocation } from '../../command.ts';
import { enforce, introduce, revoke, watch } from '../../demo/acts.ts';
import { issueCredentials } from '../../demo/credentials.ts';
import { prepareStage, type Stage } from '../../demo/stage.ts';
import { story } from '../../demo/story.ts';
import { EXIT } from '../../failure.ts';

/** As shells count a program that Ctrl-C ended. */
const interruptedExit = 130;

export async function demo(invocation: Invocation): Promise<number> {
  const { out, json } = invocation;
  const started = Date.now();
  const told = story(out, json);
  const interrupted = interruption();
  out.talk(out.paintTalk('dim', 'Starting five services and the gateway; this takes some seconds …'));
  const stage = await prepareStage();
  try {
    const played = play(stage, told);
    // What is under way ends with the processes that it talks to; its failure is no news then.
    played.catch(() => undefined);
    if ((await Promise.race([played, interrupted.happened])) === 'interrupted') {
      told.end();
      return interruptedExit;
    }
    const failed = told.lines.filter((line) => !line.ok);
    const seconds = ((Date.now() - started) / 1000).toFixed(1);
    told.say();
    if (failed.length === 0)
      told.say(out.paint('green', `All ${told.lines.length} answers were as expected, in ${seconds} s.`));
    else told.say(out.paint('red', `${failed.length} of ${told.lines.length} answers were not as expected.`));
    if (json) out.json({ ok: failed.length === 0, lines: told.lines });
    if (invocation.flag('keep')) {
      sayWhatToTry(stage, invocation);
      await interrupted.happened;
    } else if (failed.length === 0) told.say('Your own stack: countersign init');
    return failed.length === 0 ? EXIT.done : EXIT.refused;
  } finally {
    await stage.close();
    interrupted.stop();
  }
}

async function play(stage: Stage, told: ReturnType<typeof story>): Promise<'played'> {
  const held = await issueCredentials(stage);
  await stage.raise();
  introduce(told, stage);
  await watch(told, stage, held);
  await enforce(told, stage, held);
  await revoke(told, stage);
  return 'played';
}

const endingSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

function interruption(): { readonly happened: Promise<'interrupted'>; stop(): void } {
  const { promise, resolve } = Promise.withResolvers<'interrupted'>();
  const onSignal = (): void => resolve('interrupted');
  // Not once: npm passes Ctrl-C on a second time, which must not cut the clearing up short.
  for (const signal of endingSignals) process.on(signal, onSignal);
  return {
    happened: promise,
    stop() {
      for (const signal of endingSignals) process.removeListener(signal, onSignal);
    },
  };
}

function sayWhatToTry(stage: Stage, { out }: Invocation): void {
  const root = fileURLToPath(new URL('../../../../', import.meta.url));
  const program = `./${relative(process.cwd(), `${root}bin/countersign`)}`;
  const url = `${stage.gateway}/embeddings/embed`;
  out.talk();
  out.talk(out.paintTalk('bold', 'It goes on running until Ctrl-C. In another terminal:'));
  const lines = [
    `export COUNTERSIGN_CONFIG=${stage.configFile}`,
    `curl -i ${url} -d '{"input": "hello"}'`,
    // Through a pipe: among the arguments of curl every user of the machine would see the key.
    `printf 'x-api-key: %s' "$(cat ${stage.folder}/coordinator.key)" | curl -i -H @- ${url} -d '{"input": "hello"}'`,
    `${program} audit tail --follow`,
    `${program} mode set report embeddings`,
    `${program} report --since 1h`,
  ];
  for (const line of lines) out.talk(`  ${out.paintTalk('cyan', line)}`);
}
