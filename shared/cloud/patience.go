package cloud

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"berth/shared/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

const (
	budget    = 10 * time.Second // from the first attempt on
	firstWait = 20 * time.Millisecond
	longest   = time.Second
)

// patience decides how long one call is repeated. It is the SDK's retryer, not a
// loop around the call, because the SDK repeats the very bytes of a request; a
// request built anew has its maps in another order, and DynamoDB promises to
// recognise a token only with the same parameters.
type patience struct{ until time.Time }

func newPatience() *patience { return &patience{until: time.Now().Add(budget)} }

// options makes the SDK repeat a call as p says.
func (p *patience) options(o *dynamodb.Options) {
	o.Retryer = p
	o.RetryMaxAttempts = 0
}

// passing are the errors that say that nothing was done, and that it may work now.
var passing = map[string]bool{
	"ProvisionedThroughputExceededException": true,
	"ProvisionedThroughputExceeded":          true,
	"ThrottlingException":                    true,
	"ThrottlingError":                        true,
	"RequestLimitExceeded":                   true,
	"TransactionConflictException":           true,
	"TransactionConflict":                    true,
	"TransactionInProgressException":         true,
	"ReplicatedWriteConflictException":       true,
	"LimitExceededException":                 true,
}

// IsErrorRetryable implements [aws.Retryer].
func (p *patience) IsErrorRetryable(err error) bool {
	again := false
	var api smithy.APIError
	var send *smithyhttp.RequestSendError
	var answer *smithyhttp.ResponseError
	var garbled *smithy.DeserializationError
	var canceled *types.TransactionCanceledException
	switch {
	case errors.As(err, &canceled):
		again = passed(canceled.CancellationReasons)
	case errors.As(err, &api) && passing[api.ErrorCode()]:
		again = true
	case errors.As(err, &answer) && answer.HTTPStatusCode() >= http.StatusInternalServerError,
		errors.As(err, &send), errors.As(err, &garbled):
		again = true
	default:
		again = retry.IsErrorRetryables(retry.DefaultRetryables).IsErrorRetryable(err) == aws.TrueTernary
	}
	return again && time.Now().Before(p.until)
}

// passed reports whether a transaction was canceled for passing reasons alone.
func passed(reasons []types.CancellationReason) bool {
	some := false
	for _, r := range reasons {
		switch code := aws.ToString(r.Code); {
		case passing[code]:
			some = true
		case code != "None" && code != "":
			return false
		}
	}
	return some
}

// MaxAttempts implements [aws.Retryer]: time alone counts.
func (p *patience) MaxAttempts() int { return 0 }

// RetryDelay implements [aws.Retryer].
func (p *patience) RetryDelay(attempt int, err error) (time.Duration, error) {
	return pause(attempt, err)
}

// pause is a random time, up to a bound that doubles with each attempt.
func pause(attempt int, _ error) (time.Duration, error) {
	return rand.N(min(firstWait<<min(attempt, 16), longest)), nil
}

// patiently sets up the retryer of calls that may be repeated as they are.
func patiently(o *retry.StandardOptions) {
	o.MaxAttempts, o.RateLimiter, o.Backoff = 8, ratelimit.None, retry.BackoffDelayerFunc(pause)
}

// GetRetryToken implements [aws.Retryer]: there is no quota of retries.
func (p *patience) GetRetryToken(context.Context, error) (func(error) error, error) {
	return release, nil
}

// GetInitialToken implements [aws.Retryer].
func (p *patience) GetInitialToken() func(error) error { return release }

func release(error) error { return nil }

// wait is for answers that are no errors and yet want another call; n counts
// those in a row that brought nothing.
func (p *patience) wait(ctx context.Context, n int) error {
	if n == 0 {
		return ctx.Err()
	}
	if !time.Now().Before(p.until) {
		return fmt.Errorf("DynamoDB left keys unread for %v: %w", budget, store.ErrUnavailable)
	}
	d, _ := pause(n, nil)
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// readError is what a read that failed for good returns.
func (p *patience) readError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return unavailable(err)
}

// writeError is what a write that failed for good returns. A write that was
// given up may have happened, and says so.
func (p *patience) writeError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return unavailable(err)
}

func unavailable(err error) error { return fmt.Errorf("%w: DynamoDB: %w", store.ErrUnavailable, err) }
