-- What a run has to know of Nextcloud's tables; no row where they are not watched.
-- Parameters: none.
-- Result: kind text; name, detail, daemon text; protocol, host text, docker_socket_port int; paused bool; stop text:
--   nextcloud  name: prefix, detail: schema of its tables
--   daemon     detail: why it can't be used; where it is; whether it is to be left alone for now, and what stopped it
--   look       name: appid, detail: fingerprint, daemon: an app whose container is to be looked at
--   gone       name: appid: an app that was removed and nobody told; see reconcile.sql
select n.kind, n.name, n.detail, n.daemon, n.protocol, n.host, n.docker_socket_port, n.paused, n.stop
  from harpsweep.news() n
