"""The tests, one file a concern. A fixture's name says for which hosts a test is made (`facts.KINDS`)."""
