// Package sim runs AWS on one machine, for tests of package cloud.
package sim

import (
	"context"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"berth/shared/cloud"
	"berth/shared/store"
	emulator "berth/sim/dynamodb"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Config is the configuration of a client of an emulator at an address. It is
// patient: a machine that runs tests may be busy with others.
func Config(url string) aws.Config {
	return aws.Config{
		Region:       "eu-central-1",
		Credentials:  credentials.NewStaticCredentialsProvider("test", "testtest", ""),
		BaseEndpoint: &url,
		HTTPClient:   cloud.HTTPClient(time.Minute),
	}
}

// TableNames are the names that the simulated account gives Berth's tables.
var TableNames = map[store.Table]string{
	store.Repositories: "berth-repositories",
	store.Tags:         "berth-tags",
	store.Builds:       "berth-builds",
}

// DynamoDB runs an emulator with Berth's tables until the test ends, and tells its
// address. It does not sync its file.
func DynamoDB(t testing.TB) (db *emulator.DB, url string) {
	t.Helper()
	db, url, stop, err := StartDynamoDB(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return db, url
}

// StartDynamoDB runs an emulator with Berth's tables on a folder, until it is stopped.
func StartDynamoDB(dir string) (db *emulator.DB, url string, stop func(), err error) {
	kv, err := emulator.OpenBolt(filepath.Join(dir, "dynamodb"), true)
	if err != nil {
		return nil, "", nil, err
	}
	if db, err = emulator.Open(kv); err != nil {
		return nil, "", nil, err
	}
	server := httptest.NewServer(db)
	stop = func() {
		server.Close()
		db.Close()
	}
	client := dynamodb.NewFromConfig(Config(server.URL))
	for _, name := range TableNames {
		if err := createTable(context.Background(), client, name); err != nil {
			stop()
			return nil, "", nil, err
		}
	}
	return db, server.URL, stop, nil
}

// createTable makes a table as the stack does.
func createTable(ctx context.Context, client *dynamodb.Client, name string) error {
	_, err := client.CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName:   &name,
		BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String(cloud.PartAttribute), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String(cloud.SortAttribute), AttributeType: types.ScalarAttributeTypeS},
		},
		KeySchema: []types.KeySchemaElement{
			{AttributeName: aws.String(cloud.PartAttribute), KeyType: types.KeyTypeHash},
			{AttributeName: aws.String(cloud.SortAttribute), KeyType: types.KeyTypeRange},
		},
	})
	if err != nil {
		return err
	}
	_, err = client.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{
		TableName: &name,
		TimeToLiveSpecification: &types.TimeToLiveSpecification{
			AttributeName: aws.String(cloud.ExpiresAttribute), Enabled: aws.Bool(true),
		},
	})
	return err
}

// Records is the cloud's store of records on the emulator at an address.
func Records(url string) *cloud.Records {
	return cloud.NewRecords(dynamodb.NewFromConfig(Config(url)), TableNames)
}
