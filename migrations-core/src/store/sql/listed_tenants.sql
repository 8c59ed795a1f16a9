SELECT known_as, schema_name::text FROM %members% WHERE NOT %is_spare% AND NOT %is_unfinished% ORDER BY id
