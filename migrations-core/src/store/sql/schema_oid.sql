SELECT oid FROM pg_namespace WHERE nspname = $1::text::name
