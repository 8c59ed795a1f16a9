UPDATE %table% SET version = %version%, digest = %digest%, schema_oid = %oid% WHERE %row%
