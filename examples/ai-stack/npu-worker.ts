/**
 * Runs jobs one after another. Workers and callers meet by long polling: POST /jobs hands one in, GET /jobs/next waits until
 * there is one to do or its time is up (?wait=SECONDS, at most 60).
 */
import { readJson, sendJson, startService } from './service.ts';

interface Job {
  readonly id: number;
  readonly task: unknown;
}

const queue: Job[] = [];
const waiting: ((job: Job) => void)[] = [];
let count = 0;

startService('npu-worker', 8095, {
  'POST /jobs': async (request, response) => {
    const { task } = await readJson(request);
    count += 1;
    const job = { id: count, task: task ?? null };
    const waiter = waiting.shift();
    if (waiter) waiter(job);
    else queue.push(job);
    sendJson(response, 202, { id: job.id });
  },
  'GET /jobs/next': (_request, response, url) => {
    const ready = queue.shift();
    if (ready) return sendJson(response, 200, ready);
    const seconds = Math.min(60, Number(url.searchParams.get('wait') ?? 30) || 30);
    const deliver = (job: Job): void => {
      clearTimeout(timer);
      sendJson(response, 200, job);
    };
    const leave = (): void => {
      clearTimeout(timer);
      const index = waiting.indexOf(deliver);
      if (index !== -1) waiting.splice(index, 1);
    };
    const timer = setTimeout(() => {
      leave();
      response.writeHead(204).end();
    }, seconds * 1000);
    response.on('close', leave);
    waiting.push(deliver);
  },
});
