CREATE TABLE IF NOT EXISTS %history% (version int8 PRIMARY KEY, name varchar(255), applied_on varchar(64), checksum varchar(32))
