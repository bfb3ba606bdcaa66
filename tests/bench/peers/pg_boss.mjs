// pg-boss in its fastest idiomatic configuration: batches are fetched while others run, and completed in
// one statement each, with what was freed as their output.
//
//   pg_boss.mjs fill CONNINFO COUNT
//   pg_boss.mjs drain CONNINFO URL SLOTS
import { PgBoss } from "pg-boss";
import { remover } from "./remove.mjs";

const [action, connectionString, ...rest] = process.argv.slice(2);
const BATCH = 500;
const filling = action === "fill";
const boss = new PgBoss({ connectionString, supervise: false, schedule: false, migrate: filling });
boss.on("error", (error) => {
    console.error(error);
    process.exit(1);
});
await boss.start();

if (filling) {
    const count = Number(rest[0]);
    await boss.createQueue("remove");
    await boss.deleteAllJobs("remove");
    for (let first = 1; first <= count; first += 5000) {
        const last = Math.min(count, first + 4999);
        await boss.insert("remove", Array.from({ length: last - first + 1 }, (_, i) =>
            ({ data: { image_ref: `registry.example/apps/app:${first + i}` } })));
    }
    await boss.getDb().executeSql("analyze");
} else {
    const [url, slots] = [rest[0], Number(rest[1])];
    const remove = remover(url, slots);
    const completions = [];
    let fetching = boss.fetch("remove", { batchSize: BATCH });
    for (let jobs = await fetching; jobs.length > 0; jobs = await fetching) {
        fetching = boss.fetch("remove", { batchSize: BATCH });
        const freed = new Map();
        let next = 0;
        await Promise.all(Array.from({ length: slots }, async () => {
            while (next < jobs.length) {
                const job = jobs[next++];
                freed.set(job.id, await remove(job.data.image_ref));
            }
        }));
        completions.push(boss.complete("remove", [...freed.keys()], { bytes_freed: [...freed.values()] }));
    }
    await Promise.all(completions);
}
await boss.stop({ graceful: false });
process.exit(0);
