SELECT EXISTS (SELECT FROM %tenants% WHERE version >= $1 AND schema_name <> $2::text::name)
