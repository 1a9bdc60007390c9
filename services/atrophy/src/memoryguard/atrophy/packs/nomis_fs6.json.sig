{
 "key_id": "0e9ab4341515ce32",
 "signature": "rqfBV6tMY36lO4d8vqX8E9xx4ADW4ukW9jcyJSCSGcMK5A3b2bXDcA+MPgh0055J2JRWGNWyJsaMb1ERC4nWDw=="
}
