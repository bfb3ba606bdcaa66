// graphile-worker in its fastest idiomatic configuration: a local queue that claims ahead, and batched
// completion. It deletes what is done, so the task writes its result into a table of its own.
//
//   graphile_worker.mjs fill CONNINFO COUNT
//   graphile_worker.mjs drain CONNINFO URL SLOTS
import { Logger, runMigrations, runOnce } from "graphile-worker";
import pg from "pg";
import { remover } from "./remove.mjs";

const [action, connectionString, ...rest] = process.argv.slice(2);

if (action === "fill") {
    const count = Number(rest[0]);
    await runMigrations({ connectionString });
    const client = new pg.Client({ connectionString });
    await client.connect();
    await client.query("create table if not exists result (image_ref text primary key, bytes_freed bigint)");
    await client.query("truncate result");
    await client.query("select graphile_worker.add_jobs(array(select json_populate_record(null::graphile_worker.job_spec," +
        " json_build_object('identifier', 'remove', 'payload', json_build_object('image_ref'," +
        " 'registry.example/apps/app:' || i))) from generate_series(1, $1::int) i))", [count]);
    await client.query("vacuum (analyze) graphile_worker._private_jobs");
    await client.end();
} else {
    const [url, slots] = [rest[0], Number(rest[1])];
    const remove = remover(url, slots);
    const log = () => undefined;
    await runOnce({
        preset: {
            worker: {
                connectionString,
                concurrentJobs: slots,
                maxPoolSize: 10,
                localQueue: { size: 500 },
                completeJobBatchDelay: 0,
                failJobBatchDelay: 0,
                logger: new Logger(() => log),
            },
        },
        taskList: {
            remove: async (payload, helpers) => {
                const freed = await remove(payload.image_ref);
                await helpers.query("insert into result values ($1, $2)", [payload.image_ref, freed]);
            },
        },
    });
    process.exit(0);
}
