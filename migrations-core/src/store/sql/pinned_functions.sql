SELECT p.oid::regprocedure::text FROM pg_proc p
WHERE p.pronamespace = to_regnamespace($1)::oid AND array_to_string(p.proconfig, ' ') LIKE '%' || $1 || '%'
