{
 "key_id": "0e9ab4341515ce32",
 "signature": "sxZC7tj8ewxXgwMNM1ARDblxXGif6jQnO+THMQihklTsAi1u4eCz/iXgjob9AhWYYoSIAf90WGPEKXmpHVwYBw=="
}
