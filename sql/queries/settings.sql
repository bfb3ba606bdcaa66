-- Nextcloud's own settings of the image cleanup. For follow_nextcloud.
-- Parameters: none.
-- Result: name text, value text, type int (Nextcloud's number of its type); no row for one that is not set.
select s.name, s.value, s.type
  from harpsweep.nextcloud_settings() s
