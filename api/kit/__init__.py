"""What any version of the HTTP interface is made from: operations, problems, strict JSON, the description."""
