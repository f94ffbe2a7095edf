// The peer of the drain: graphile-worker with a local queue and batched completion, whose jobs
// post with undici over connections that are kept.
//
//   node drain.mjs migrate                     makes its schema
//   node drain.mjs drain URL JOBS CONCURRENCY  works until so many jobs are done
import { runMigrations, run, Logger } from 'graphile-worker';
import { Pool } from 'undici';

const connectionString = process.env.PEER_DATABASE;
const logger = new Logger(() => (level, message) => {
  if (level === 'error') console.error(message);
});

async function drain(url, jobs, concurrency) {
  const pool = new Pool(new URL(url).origin, { connections: concurrency, pipelining: 1 });
  const path = new URL(url).pathname;
  let left = jobs;
  let done;
  const all = new Promise((resolve) => { done = resolve; });
  const runner = await run({
    taskList: {
      post: async (payload, helpers) => {
        const { statusCode, body } = await pool.request({
          path,
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            'webhook-id': helpers.job.id,
            ...payload.headers,
          },
          body: JSON.stringify(payload.body),
        });
        await body.dump();
        if (statusCode !== 200) throw new Error(`status ${statusCode}`);
        if (--left === 0) done();
      },
    },
    preset: {
      worker: {
        connectionString,
        logger,
        concurrentJobs: concurrency,
        maxPoolSize: 10,
        localQueue: { size: 500 },
        completeJobBatchDelay: 0,
        failJobBatchDelay: 0,
      },
    },
  });
  await all;
  await runner.stop();
  await pool.close();
}

const [command, url, jobs, concurrency] = process.argv.slice(2);
if (command === 'migrate') await runMigrations({ preset: { worker: { connectionString, logger } } });
else await drain(url, Number(jobs), Number(concurrency));
