CREATE TYPE period AS RANGE (subtype = time);
CREATE TABLE opening_hours (day int PRIMARY KEY CHECK (day BETWEEN 1 AND 7), open period NOT NULL);
INSERT INTO opening_hours SELECT day, period('09:00', '17:00') FROM generate_series(1, 5) AS day;
