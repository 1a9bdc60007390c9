{
 "key_id": "2c1dd086677809f2",
 "signature": "HukUDDvdO1N6MClAwepCvurGVwLmiptQYykoP/lZIasgb6QRPTAT9j/eM1LNA+3nyHLbvT9U9bOybnEv0S1UCw=="
}
