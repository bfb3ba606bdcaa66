<?php
// One job after the other, as a background job of AppAPI's would: claim, request, result.
//
//   loop.php CONNINFO URL
[, $conninfo, $url] = $argv;
$db = pg_connect($conninfo);
$curl = curl_init("$url/exapps/app_api/docker/exapp/image_remove");
curl_setopt_array($curl, [
    CURLOPT_RETURNTRANSFER => true,
    CURLOPT_HTTPHEADER => ['harp-shared-key: bench-key', 'docker-engine-port: 24000', 'Content-Type: application/json'],
]);
pg_prepare($db, 'claim', "update harpsweep.job set state = 'claimed', next_at = now() + interval '2 minutes', attempts = attempts + 1,
    claim_token = gen_random_uuid(), claimed_by = 'php', claimed_at = now() where id = (select id from harpsweep.job
    where daemon = 'bench' and next_at <= now() and state = 'pending' order by next_at, id limit 1 for update skip locked)
    returning id, image_ref");
pg_prepare($db, 'record', "update harpsweep.job set state = 'removed', next_at = null, finished_at = now(), http_status = $2,
    bytes_freed = $3 where id = $1");
while ($job = pg_fetch_assoc(pg_execute($db, 'claim', []))) {
    curl_setopt($curl, CURLOPT_POSTFIELDS, json_encode(['image_ref' => $job['image_ref']]));
    $answer = json_decode(curl_exec($curl), true);
    $status = curl_getinfo($curl, CURLINFO_RESPONSE_CODE);
    if ($status !== 200) {
        exit(1);
    }
    pg_execute($db, 'record', [$job['id'], $status, $answer['bytes_freed']]);
}
