CREATE TYPE version AS (major int, minor int);
CREATE FUNCTION version_before(a version, b version) RETURNS boolean LANGUAGE sql IMMUTABLE AS
'SELECT (a.major, a.minor) < (b.major, b.minor)';
CREATE FUNCTION version_compare(a version, b version) RETURNS int LANGUAGE sql IMMUTABLE AS
'SELECT CASE WHEN (a.major, a.minor) < (b.major, b.minor) THEN -1 WHEN (a.major, a.minor) = (b.major, b.minor) THEN 0 ELSE 1 END';
CREATE OPERATOR <<< (LEFTARG = version, RIGHTARG = version, FUNCTION = version_before);
CREATE OPERATOR FAMILY versions USING btree;
CREATE OPERATOR CLASS version_ops FOR TYPE version USING btree FAMILY versions AS
    OPERATOR 1 <<<, FUNCTION 1 version_compare(version, version);
CREATE TABLE releases (version version NOT NULL, notes text);
CREATE INDEX releases_version ON releases (version version_ops);
INSERT INTO releases VALUES (ROW(1, 2), 'first');
