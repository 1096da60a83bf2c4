// Command serve runs the DynamoDB emulator on one address over a bbolt file.
package main

import (
	"flag"
	"log"
	"net/http"

	"berth/sim/dynamodb"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:4620", "loopback address to listen on")
	path := flag.String("path", "dynamodb.db", "bbolt file")
	flag.Parse()
	kv, err := dynamodb.OpenBolt(*path, false)
	if err != nil {
		log.Fatal(err)
	}
	db, err := dynamodb.Open(kv)
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	log.Fatal(http.ListenAndServe(*addr, db))
}
