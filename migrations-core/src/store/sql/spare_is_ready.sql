%is_spare% AND digest = %digest% AND EXISTS (SELECT FROM pg_namespace WHERE oid = schema_oid AND nspname = schema_name)
