// Package store says what Berth asks of the places it keeps things in: [Records]
// for metadata and [Layers] for bytes. It holds no implementation. A backend lives
// in a package of its own and proves itself with storetest.
package store
