-- Rows that were sealed once, kept in files, fit wherever they are read: the seal is over what a row
-- says, not over bytes in memory, an encoding, a version or a machine. A change of the seal that
-- made this test fail would refuse the dumps that there are.
SET client_min_messages = warning;
\getenv srcdir PG_ABS_SRCDIR
\set latin1 :srcdir '/sealed/latin1.txt'
\set any :srcdir '/sealed/any.txt'
\set check :srcdir '/sealed/check.sql'
SELECT current_database() AS home \gset
DROP DATABASE IF EXISTS regress_dispatch_latin1;
DROP DATABASE IF EXISTS regress_dispatch_ascii;
CREATE DATABASE regress_dispatch_latin1 ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C';
CREATE DATABASE regress_dispatch_ascii ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C';

\set file :any
\i :check
\set file :latin1
\i :check

\c regress_dispatch_latin1
\i :check

\c regress_dispatch_ascii
\i :check
\set file :any
\i :check

\c :home
SET client_min_messages = warning;
DROP DATABASE regress_dispatch_latin1;
DROP DATABASE regress_dispatch_ascii;
