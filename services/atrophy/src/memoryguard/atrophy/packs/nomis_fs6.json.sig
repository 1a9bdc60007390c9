{
 "key_id": "2c1dd086677809f2",
 "signature": "9ThwhbG7YuTUJK7AZ+CLeSxVGvsPgx4jklNUT1QDgs6tCOTOoBKmsdGnI7m1XJiXpTUF41isbAtVk6aH87L0DQ=="
}
