// One request of HaRP's, as harpsweep sends it, over connections that are kept.
import { Pool } from "undici";

export function remover(url, slots) {
    const pool = new Pool(url, { connections: slots });
    const headers = {
        "harp-shared-key": "bench-key",
        "docker-engine-port": "24000",
        "content-type": "application/json",
    };
    return async (imageRef) => {
        const answer = await pool.request({
            method: "POST",
            path: "/exapps/app_api/docker/exapp/image_remove",
            headers,
            body: JSON.stringify({ image_ref: imageRef }),
        });
        const body = await answer.body.json();
        if (answer.statusCode !== 200) {
            throw new Error(`${imageRef}: ${answer.statusCode}`);
        }
        return body.bytes_freed;
    };
}
