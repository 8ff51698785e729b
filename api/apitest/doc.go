// Package apitest tests the API as its users call it: [Start] starts a real service
// that is called over TCP, [Client] compares each answer with what a test expects,
// and [Checker] checks every exchange against the description of the API.
//
// The checker closes every object of the description, so that an exchange with an
// undocumented field, such as a leaked secret, fails. It also records which answers
// it has seen, so that a suite can fail if a documented answer never occurs
// ([Checker.Uncovered]).
package apitest
