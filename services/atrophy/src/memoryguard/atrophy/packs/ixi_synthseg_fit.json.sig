{
 "key_id": "2c1dd086677809f2",
 "signature": "1ym6bhTcU9X09gfJY/mdbS/ZPYVxkTqnWfdqzcx+VTzD6VeT4B5kYkCxokkmrB+HOOLvUjTVgxjBM4xXghNMBQ=="
}
