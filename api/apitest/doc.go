// Package apitest tests the API as its users meet it: [Start] boots a real
// service that is called over TCP, [Client] demands of each answer what a test
// expects, and [Checker] holds every exchange, expected or not, against the
// description of the API.
//
// The checker closes every object of the description, so that a field it does
// not name fails the exchange: a leaked secret does not pass for an extension.
// It also notes what was reached, so that a suite can fail on a documented
// answer that nothing has ever seen ([Checker.Uncovered]).
package apitest
