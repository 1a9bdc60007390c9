{
 "key_id": "0e9ab4341515ce32",
 "signature": "39hhRv5R3M4pSD9YmRSV/3OgVZctbMh0rJzb6KqnHqZXJ+eGtVKBGzWvsECoP+marr64b0wMsN0Yw270mD2OBQ=="
}
